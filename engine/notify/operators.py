"""What people do with the outbox from a process of their own: list, acknowledge, silence. The notifier sees it within a second."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from engine.notify.alarms import Alarm, Severity
from engine.notify.outbox import connect

LISTED = """
SELECT body, repeats, silenced, acked_wall_ns, acked_uid, ack_reason, ended_wall_ns,
    (SELECT group_concat(channel, ' ') FROM delivered WHERE delivered.key = alarm.key),
    (SELECT group_concat(channel, ' ') FROM due WHERE due.key = alarm.key)
FROM alarm {where} ORDER BY wall_ns DESC, rowid DESC LIMIT ?
"""
OPEN = (
    "WHERE key IN (SELECT key FROM due) OR (severity = 2 AND acked_wall_ns = 0 AND ended_wall_ns = 0)"
    " OR (condition != '' AND ended_wall_ns = 0)"
)


def listed(path: Path, *, open_only: bool, last: int) -> list[dict[str, Any]]:
    """The last alarms, oldest of them first: what each said, who was told, who is to be told, and how it stands."""
    with closing(connect(path)) as connection:
        found = connection.execute(LISTED.format(where=OPEN if open_only else ""), (max(0, last),)).fetchall()
    return [row_of(*values) for values in reversed(found)]


def row_of(
    body: bytes, repeats: int, silenced: int, acked_ns: int, uid: int, reason: str, ended_ns: int, told: str, due: str
) -> dict[str, Any]:
    """One alarm as a row."""
    alarm = msgspec.json.decode(body, type=Alarm)
    state = "over" if ended_ns else "acknowledged" if acked_ns else "silenced" if silenced == 1 else "open"
    if state == "open" and alarm.severity < Severity.CRITICAL and not alarm.condition:
        state = "waits" if due else "told" if told else "noted"
    return {
        "key": alarm.key,
        "wall_ns": alarm.wall_ns,
        "severity": alarm.severity.word,
        "code": alarm.code,
        "text": alarm.text,
        "venue": alarm.venue,
        "symbol": alarm.symbol,
        "strategy": alarm.strategy,
        "epoch": alarm.epoch,
        "seq": alarm.seq,
        "state": state,
        "told": told.split() if told else [],
        "waits_for": due.split() if due else [],
        "repeats": repeats,
        "acknowledged_wall_ns": acked_ns,
        "acknowledged_uid": uid if acked_ns else None,
        "acknowledged_reason": reason,
    }


def acknowledge(path: Path, wanted: Sequence[str], uid: int, reason: str, now_wall_ns: int) -> list[str]:
    """Acknowledge by key, the beginning of a key, or code; `all`. Returns the keys that this changed."""
    done: list[str] = []
    with closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for word in wanted:
            where, values = chosen(word)
            found = connection.execute(f"SELECT key FROM alarm WHERE acked_wall_ns = 0 AND {where}", values).fetchall()
            for (key,) in found:
                connection.execute(
                    "UPDATE alarm SET acked_wall_ns = ?, acked_uid = ?, ack_reason = ? WHERE key = ?",
                    (now_wall_ns, uid, reason, key),
                )
                done.append(key)
        connection.execute("COMMIT")
    return done


def chosen(word: str) -> tuple[str, tuple[Any, ...]]:
    """The condition of one word of a command line; `all` is what is critical and stands."""
    if word == "all":
        return "severity = 2 AND ended_wall_ns = 0", ()
    return "(code = ? OR substr(key, 1, ?) = ?)", (word, len(word), word)


def silence(path: Path, code: str, symbol: str, until_wall_ns: int, uid: int, reason: str) -> None:
    """Keep some alarms from being told until a time."""
    with closing(connect(path)) as connection:
        connection.execute(
            "INSERT INTO silence (code, symbol, until_wall_ns, uid, reason) VALUES (?, ?, ?, ?, ?)",
            (code, symbol, until_wall_ns, uid, reason),
        )
