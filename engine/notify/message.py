"""What is sent: one alarm, or many in rows with their counts. Nothing that is due is left out of the count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.notify.alarms import Alarm, Severity

ROWS_MAX = 50
# of a row: what a receiver can tell a repetition by
KEYS_MAX = 100
TEXT_MAX = 500
FORMAT = 1


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery to one channel. `id` is the idempotency key; `keys` are the alarms in it, each with its count of repeats."""

    id: str
    channel: str
    body: bytes
    title: str
    severity: Severity
    count: int
    keys: list[tuple[str, int]]


def form(channel: str, items: Sequence[tuple[Alarm, int]], now_wall_ns: int) -> Message:
    """A message of alarms, each with its count of repeats, in the order in which they came."""
    first, repeat = items[0][0], max(repeat for _, repeat in items)
    worst = max(alarm.severity for alarm, _ in items)
    rows = grouped(alarm for alarm, _ in items)
    id_ = first.key + (f"+{len(items) - 1}" if len(items) > 1 else "") + (f"-r{repeat}" if repeat else "")
    title = first.title if len(items) == 1 else f"{first.engine}: {len(items)} alarms: {codes_text(rows)}"
    title = f"not acknowledged: {title}" if repeat else title
    body = {
        "format": FORMAT,
        "id": id_,
        "engine": first.engine,
        "severity": worst.word,
        "title": title[:TEXT_MAX],
        "count": len(items),
        "repeat": repeat,
        "created_wall_ns": now_wall_ns,
        "alarms": rows[:ROWS_MAX],
        "rows_left_out": max(0, len(rows) - ROWS_MAX),
        "by_code": by_code(rows),
    }
    keys = [(alarm.key, times) for alarm, times in items]
    data = msgspec.json.encode(body)
    return Message(
        id=id_, channel=channel, body=data, title=str(body["title"]), severity=worst, count=len(items), keys=keys
    )


def grouped(alarms: Any) -> list[dict[str, Any]]:
    """A row for each code and place, the first alarm's words with how many there were and until when."""
    rows: dict[tuple[str, str, str, str, bool], dict[str, Any]] = {}
    for alarm in alarms:
        row = rows.get(alarm.group)
        if row is None:
            rows[alarm.group] = row_of(alarm)
        else:
            row["count"] += 1
            row["keys"] += [alarm.key] if len(row["keys"]) < KEYS_MAX else []
            row["last_seq"], row["last_wall_ns"] = alarm.seq, alarm.wall_ns
    return sorted(rows.values(), key=lambda row: -Severity[row["severity"].upper()])


def row_of(alarm: Alarm) -> dict[str, Any]:
    """One alarm in words; what is empty is left out."""
    told = {
        "code": alarm.code,
        "severity": alarm.severity.word,
        "text": alarm.text[:TEXT_MAX],
        "venue": alarm.venue,
        "symbol": alarm.symbol,
        "strategy": alarm.strategy,
        "order_handle": alarm.order_handle,
        "detail": alarm.detail,
        "epoch": alarm.epoch,
        "seq": alarm.seq,
        "is_over": alarm.is_end,
    }
    kept = {name: value for name, value in told.items() if value not in ("", 0, False) or name == "text"}
    times = {"wall_ns": alarm.wall_ns, "last_seq": alarm.seq, "last_wall_ns": alarm.wall_ns}
    return kept | times | {"count": 1, "keys": [alarm.key], "runbook": f"docs/runbook.md#{heading(alarm.code)}"}


def by_code(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many alarms of each code, also those whose rows are left out."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["code"]] = counts.get(row["code"], 0) + row["count"]
    return counts


def codes_text(rows: Sequence[dict[str, Any]]) -> str:
    """The counts on one line."""
    return ", ".join(f"{code} {count}" for code, count in by_code(rows).items())


def heading(code: str) -> str:
    """The runbook's heading for a code; halts stand in one table."""
    return "why-it-is-halted" if code.startswith("HALTED_") else code.lower()
