"""Reads USD-M request parameters: symbols, decimals, ids, times, and JSON lists, with this interface's refusals."""

from __future__ import annotations

import re

import msgspec

from engine.sim.decimals import parse_e8
from engine.sim.reject import VenueReject
from engine.sim.wire import errors
from engine.sim.wire.calls import MS_NS, Call
from engine.sim.wire.params import Params
from engine.sim.wire.usdm.errors import bad_value, client_id_invalid, precision
from engine.sim.wire.usdm.side import UsdmSide

CLIENT_ID = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")
NEGATIVE = {
    "price": (-4001, "Price less than 0."),
    "quantity": (-4003, "Quantity less than zero."),
    "triggerPrice": (-4006, "Stop price less than zero."),
    "activatePrice": (-4006, "Stop price less than zero."),
}


def side_of(call: Call) -> UsdmSide:
    """The venue's USD-M half; its endpoints exist only where it does."""
    assert call.shell.usdm is not None
    return call.shell.usdm


def symbol(call: Call, name: str = "symbol") -> str:
    """The mandatory symbol (or pair); refuses -1102 and -1121."""
    return known_symbol(call, call.params.text(name))


def optional_symbol(call: Call) -> str | None:
    """The symbol or None."""
    value = call.params.optional("symbol")
    return None if value is None else known_symbol(call, value)


def known_symbol(call: Call, value: str) -> str:
    """Refuse -1121 for a symbol that the venue has not."""
    if value not in side_of(call).digits:
        raise VenueReject(-1121, "Invalid symbol.")
    return value


def decimal(params: Params, name: str) -> int | None:
    """A decimal in units of 1e-8 or None; refuses what is below zero in the parameter's own words."""
    value = params.optional(name)
    if value is None:
        return None
    if value.startswith("-") and name in NEGATIVE:
        raise VenueReject(*NEGATIVE[name])
    try:
        return parse_e8(value, name)
    except VenueReject as reject:
        raise (precision() if reject.code == -1111 else errors.mandatory(name)) from None


def client_id(params: Params, name: str) -> str | None:
    """A client order id or None; refuses -4015."""
    value = params.optional(name)
    if value is not None and CLIENT_ID.fullmatch(value) is None:
        raise client_id_invalid()
    return value


def flag(params: Params, name: str) -> bool | None:
    """A boolean in any case of letters or None; refuses -1130."""
    value = params.optional(name)
    if value is None:
        return None
    if value.lower() not in ("true", "false"):
        raise bad_value(name)
    return value.lower() == "true"


def mandatory_flag(params: Params, name: str) -> bool:
    """A boolean that must be sent."""
    params.text(name)
    return bool(flag(params, name))


def word(params: Params, name: str, allowed: tuple[str, ...]) -> str:
    """One of the exchange's words; refuses -1102 and -1130."""
    value = params.text(name)
    if value not in allowed:
        raise bad_value(name)
    return value


def integer(params: Params, name: str) -> int:
    """A mandatory whole number."""
    params.text(name)
    value = params.integer(name)
    assert value is not None
    return value


def identity(params: Params, number: str, text: str) -> tuple[int | None, str | None]:
    """An order's number and client id; refuses -1102 when neither was sent."""
    order_id, order_text = params.integer(number), client_id(params, text)
    if order_id is None and order_text is None:
        raise errors.either(text, number)
    return order_id, order_text


def window_ns(call: Call, longest_days: int | None = None) -> tuple[int | None, int | None]:
    """startTime and endTime (inclusive) in ns; refuses -4097 when they lie too far apart."""
    start, end = call.params.integer("startTime"), call.params.integer("endTime")
    if start is not None and end is not None and longest_days is not None and end - start > longest_days * 86_400_000:
        raise VenueReject(-4097, f"Max search interval is {longest_days} days.")
    start_ns = None if start is None else start * MS_NS
    return start_ns, None if end is None else end * MS_NS + MS_NS - 1


def order_list(params: Params, name: str, most: int) -> list[Params]:
    """A JSON array of objects as parameter sets of their own; refuses -1130 and, above ``most``, -4082."""
    try:
        rows = msgspec.json.decode(params.text(name), type=list[dict[str, msgspec.Raw]])
    except (msgspec.DecodeError, RecursionError):
        raise bad_value(name) from None
    if not rows:
        raise bad_value(name)
    if len(rows) > most:
        raise VenueReject(-4082, "Invalid number of batch place orders.")
    return [Params({key: _text(bytes(raw)) for key, raw in row.items() if bytes(raw) != b"null"}) for row in rows]


def value_list(params: Params, name: str, most: int) -> list[str] | None:
    """A JSON array of numbers or strings as texts, or None when it was not sent.

    ccxt writes the names of these lists in lower case, and trades with that.
    """
    value = params.optional(name) or params.optional(name.lower())
    if value is None:
        return None
    try:
        rows = msgspec.json.decode(value, type=list[int | str])
    except msgspec.DecodeError:
        raise bad_value(name) from None
    if not 1 <= len(rows) <= most:
        raise bad_value(name)
    return [str(row) for row in rows]


def _text(raw: bytes) -> str:
    """A value's text: a string's content, anything else as it was written."""
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()
