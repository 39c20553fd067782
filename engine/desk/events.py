"""The ledger's events as lines: starts, stops, alarms, commands, state changes. The hot process prints none of this."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.desk.ledger import EVENT_KINDS, Catalog, first_wanted
from engine.journal import decode
from engine.journal.cursor import Record
from engine.journal.reader import JournalReader
from engine.model.codes import AlarmCode, Lane, RecordKind
from engine.strategy.status import StrategyStatus


class EventLog:
    """Follows a ledger and gives its events in order. Raises JournalError where there is no journal."""

    def __init__(self, data_dir: Path) -> None:
        self._follower = JournalReader(data_dir).follow(max(0, first_wanted(data_dir) - 1), Lane.LEDGER)
        self._catalog = Catalog()

    def new(self) -> Iterator[dict[str, Any]]:
        """Events that have come since the last call."""
        while (record := self._follower.next_record()) is not None:
            if record.kind == RecordKind.INSTRUMENT:
                self._catalog.take(record)
            elif record.kind in EVENT_KINDS:
                yield event_of(record, self._catalog)

    def last(self, count: int) -> list[dict[str, Any]]:
        """The last `count` events up to now."""
        return list(deque(self.new(), maxlen=max(0, count)))

    def wait(self, timeout_s: float) -> list[dict[str, Any]]:
        """Events that come within `timeout_s`; returns with the first ones."""
        deadline = time.monotonic() + timeout_s
        while not (found := list(self.new())) and time.monotonic() < deadline:
            time.sleep(min(0.05, timeout_s))
        return found


def event_of(record: Record, catalog: Catalog) -> dict[str, Any]:
    """One event: seq, wall_ns, kind, what it is about by name, and its payload's fields."""
    kind = decode.kind_name(record.kind)
    about = {
        "venue": catalog.venue(record.venue_id),
        "symbol": catalog.symbol(record.instrument_id),
        "strategy": catalog.strategy(record.strategy_id),
        "order_handle": record.order_handle or "",
    }
    event: dict[str, Any] = {"seq": record.seq, "wall_ns": record.wall_ns, "kind": kind, "epoch": record.epoch}
    event |= {name: value for name, value in about.items() if value}
    body = decode.payload(record)
    if record.kind == RecordKind.STRATEGY_STATE:
        body |= strategy_words(body)
    elif record.kind == RecordKind.COMMAND:
        body = command_words(body, record.instrument_id, catalog)
    return event | {name: value for name, value in body.items() if name not in event}


def strategy_words(body: dict[str, Any]) -> dict[str, Any]:
    """The states of a STRATEGY_STATE record by name, and its reason, which is an alarm's code."""
    words: dict[str, Any] = {}
    for name in ("state", "previous_state"):
        words[name] = decode.enum_name(StrategyStatus, body[name])
    reason = body["reason"]
    words["reason"] = decode.enum_name(AlarmCode, reason) if isinstance(reason, int) else reason
    return words


def command_words(body: dict[str, Any], instrument_id: int, catalog: Catalog) -> dict[str, Any]:
    """Who commanded what and why; of an order also what it was."""
    words: dict[str, Any] = {"command": body["command_kind"], "uid": body["uid"], "reason": body.get("text", "")}
    if body["command_kind"] == "ORDER":
        words |= {"side": body["side"], "type": body["order_type"], "time_in_force": body["time_in_force"]}
        words |= {"price": catalog.price(instrument_id, body["price_ticks"]) if body["price_ticks"] else ""}
        words |= {"qty": catalog.qty(instrument_id, body["qty_lots"]), "flags": body["flags"]}
    return words


def event_line(event: dict[str, Any]) -> str:
    """An event for a person: time, kind, what it is about, what it says."""
    hidden = {"seq", "wall_ns", "kind", "epoch", "pad"}
    shown = {name: value for name, value in event.items() if name not in hidden}
    words = [f"{name}={word(value)}" for name, value in shown.items() if value not in ("", 0, None) or name == "uid"]
    return " ".join([stamp(event["wall_ns"]), f"#{event['seq']}", event["kind"], *words])


def stamp(wall_ns: int) -> str:
    """A time in UTC with milliseconds; a dash for none."""
    moment = datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_ns // 1_000_000 % 1000:03d}Z" if wall_ns > 0 else "-"


def word(value: Any) -> str:
    """A value on an event's line: quoted where it holds spaces."""
    text = str(value)
    return f'"{text}"' if " " in text or not text else text
