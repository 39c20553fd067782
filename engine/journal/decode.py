"""Records as dictionaries: every kind's payload with the names of records.pxd, codes by name."""

from __future__ import annotations

import json
import re
import struct
from enum import IntEnum
from typing import Any

from engine.journal import layout
from engine.journal.cursor import Record
from engine.model import codes
from engine.model.codes import RecordKind


class StrategyStatus(IntEnum):
    """`state` of STRATEGY_STATE, as engine.strategy.status has it: the journal imports no stage."""

    CREATED = 0
    RUNNING = 1
    PAUSED = 2
    DISABLED = 3
    STOPPED = 4


_HEADER_NAMES = (
    "seq",
    "cause_seq",
    "wall_ns",
    "mono_ns",
    "venue_id",
    "account_id",
    "strategy_id",
    "instrument_id",
    "order_handle",
    "epoch",
    "session_id",
    "turn",
    "frame_length",
    "frame_crc32c",
)
_ENUMS: dict[str, type[IntEnum]] = {
    "side": codes.Side,
    "aggressor_side": codes.Side,
    "order_type": codes.OrderType,
    "time_in_force": codes.TimeInForce,
    "exec_type": codes.ExecType,
    "order_state": codes.OrderState,
    "session_state": codes.SessionState,
    "timer_kind": codes.TimerKind,
    "command_kind": codes.CommandKind,
    "action": codes.IntentAction,
    "reason": codes.Reason,
    "trade_class": codes.TradeClass,
    "ratio_kind": codes.RatioKind,
    "fault": codes.FrameFault,
    "trail_kind": codes.TrailKind,
    "trigger_source": codes.TriggerSource,
    "contingency": codes.Contingency,
    "kind": codes.InstructionKind,
    "expiry_cause": codes.ExpiryCause,
    "scope": codes.LimitScope,
    "trading_state": codes.TradingState,
    "risk_mode": codes.RiskMode,
    "previous_mode": codes.RiskMode,
    "breaker": codes.BreakerState,
    "section": codes.StateSection,
}
_STATES: dict[RecordKind, type[IntEnum]] = {
    RecordKind.ORDER_STATE: codes.OrderState,
    RecordKind.HELD_ORDER: codes.OrderState,
    RecordKind.PARENT_STATE: codes.ParentState,
    RecordKind.TRADING_STATE: codes.TradingState,
    RecordKind.BOOK_STATE: codes.BookState,
    RecordKind.SESSION_STATE: codes.SessionState,
    RecordKind.ALARM: codes.AlarmCode,
    RecordKind.ACCOUNT_WARNING: codes.AlarmCode,
    RecordKind.STRATEGY_STATE: StrategyStatus,
    RecordKind.VENUE_HEALTH: codes.BreakerState,
}
_REASONS: dict[RecordKind, type[IntEnum] | None] = {
    RecordKind.TRADING_STATE: codes.HaltReason,
    RecordKind.FEED_STATE: None,
    RecordKind.STRATEGY_STATE: codes.AlarmCode,
    RecordKind.ALARM: None,
    RecordKind.ACCOUNT_WARNING: None,
}
_RAW_FRAMES = {RecordKind.MARKET_FRAME_OTHER, RecordKind.OWN_FRAME_OTHER}
_REFUSED_FRAMES = {RecordKind.MARKET_FRAME_MALFORMED, RecordKind.OWN_FRAME_MALFORMED}
_FORMATS: dict[RecordKind, tuple[struct.Struct, list[str]]] = {
    kind: layout.payload_format(kind) for kind in layout.PAYLOADS
}
_ROW_FORMATS = {kind: layout.row_format(kind) for kind in layout.ROWS}
_CONDITIONS = layout.conditions_format()
_SECRET = re.compile(r'("?(?:apiKey|secret|signature)"?\s*[:=]\s*"?)([^"&,}\s]{4})[^"&,}\s]*')


def kind_name(kind: int) -> str:
    """Name of a record kind; the number as text where this build does not know it."""
    try:
        return RecordKind(kind).name
    except ValueError:
        return str(kind)


def enum_name(enum: type[IntEnum], number: int) -> str | int:
    """The code's name, or the number where this build does not know it."""
    try:
        return enum(number).name
    except ValueError:
        return number


def masked(text: str) -> str:
    """The text with keys and signatures cut to their first four characters."""
    return _SECRET.sub(r"\1\2...", text)


def header(record: Record) -> dict[str, Any]:
    """The header by name: kind, lane and position side as names, fields that are 0 left out but for seq and times."""
    fields: dict[str, Any] = {"seq": record.seq, "kind": kind_name(record.kind)}
    fields["lane"] = enum_name(codes.Lane, record.lane)
    for name in _HEADER_NAMES[1:]:
        value = getattr(record, name)
        if value or name in ("wall_ns", "mono_ns"):
            fields[name] = value
    if record.position_side:
        fields["position_side"] = enum_name(codes.PositionSide, record.position_side)
    return fields


def payload(record: Record) -> dict[str, Any]:
    """The payload by name. Damaged or foreign payloads (too short for their kind) give {"raw": hex}."""
    data = record.payload
    try:
        kind = RecordKind(record.kind)
    except ValueError:
        return {"raw": data.hex()}
    if kind in _RAW_FRAMES:
        return {"raw": _frame_text(record, data)}
    if kind not in _FORMATS:
        return _free_text(data)
    form, names = _FORMATS[kind]
    if len(data) < form.size:
        return {"raw": data.hex()}
    fields = dict(zip(names, form.unpack_from(data), strict=True))
    if kind in _REFUSED_FRAMES:
        rest: dict[str, Any] = {"raw": _frame_text(record, data[form.size :])}
    else:
        rest = _rest(kind, fields, data[form.size :])
    return {name: _named(kind, name, value) for name, value in fields.items()} | rest


def as_dict(record: Record) -> dict[str, Any]:
    """Header fields, then the payload's under `payload`."""
    return header(record) | {"payload": payload(record)}


def _named(kind: RecordKind, name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return _text(value.rstrip(b"\0"))
    if kind is RecordKind.INSTRUMENT_ROW:
        return value
    if name in ("state", "previous_state"):
        states = _STATES.get(kind)
        return enum_name(states, value) if states else value
    if name == "reason" and kind in _REASONS:
        reasons = _REASONS[kind]
        return enum_name(reasons, value) if reasons else value
    if name == "scope" and kind is RecordKind.VERDICT:
        # 0: no scope's limit refused
        return enum_name(codes.LimitScope, value - 1) if value else ""
    enum = _ENUMS.get(name)
    return enum_name(enum, value) if enum else value


def _rest(kind: RecordKind, fields: dict[str, Any], data: bytes) -> dict[str, Any]:
    """What follows the fixed part: levels, balances, bytes sent, or text."""
    if kind in (RecordKind.DEPTH_DIFF, RecordKind.DEPTH_SNAPSHOT):
        return _levels(data, fields["bid_count"], fields["ask_count"])
    if kind in (RecordKind.ACCOUNT_POSITION, RecordKind.BALANCE_UPDATE, RecordKind.BALANCE):
        count = min(fields["count"], len(data) // layout.BALANCE_ROW.size)
        rows = layout.BALANCE_ROW.iter_unpack(data[: count * layout.BALANCE_ROW.size])
        return {"balances": [{"asset_id": a, "free_e8": free, "locked_e8": locked} for a, free, locked in rows]}
    if kind in _ROW_FORMATS:
        return {"rows": _rows(kind, fields["count"], data)}
    if kind is RecordKind.ORDER_BYTES:
        return {"bytes": masked(_text(data[: fields["byte_count"]]))}
    if kind is RecordKind.INTENT:
        return _conditions(data) if fields["has_conditions"] else {}
    detail_size = fields.get("detail_size", 0)
    detail = {"detail": _text(data[:detail_size])} if detail_size else {}
    text = _text(data[detail_size:].rstrip(b"\0"))
    return detail | ({"text": text} if text else {})


def _conditions(data: bytes) -> dict[str, Any]:
    form, names = _CONDITIONS
    if len(data) < form.size:
        return {}
    values = zip(names, form.unpack_from(data), strict=True)
    return {name: _named(RecordKind.INTENT, name, value) for name, value in values}


def _rows(kind: RecordKind, count: int, data: bytes) -> list[dict[str, Any]]:
    form, names = _ROW_FORMATS[kind]
    held = min(count, len(data) // form.size)
    return [
        {name: _named(kind, name, value) for name, value in zip(names, row, strict=True)}
        for row in form.iter_unpack(data[: held * form.size])
    ]


def _levels(data: bytes, bid_count: int, ask_count: int) -> dict[str, Any]:
    size = layout.LEVEL.size
    held = min(bid_count + ask_count, len(data) // size)
    levels = [list(level) for level in layout.LEVEL.iter_unpack(data[: held * size])]
    return {"bids": levels[:bid_count], "asks": levels[bid_count:]}


def _frame_text(record: Record, data: bytes) -> str:
    """A frame as it came, without the record's padding."""
    return _text(data[: record.frame_length] if record.frame_length < len(data) else data.rstrip(b"\0"))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _free_text(data: bytes) -> dict[str, Any]:
    """START, CORE_START, STOP, RECOVERED, CUT hold JSON; other kinds without a layout hold text or bytes."""
    data = data.rstrip(b"\0")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"raw": data.hex()}
    if text.startswith("{"):
        try:
            facts = json.loads(text)
        except ValueError:
            return {"text": text}
        return facts if isinstance(facts, dict) else {"text": text}
    return {"text": text} if text else {}
