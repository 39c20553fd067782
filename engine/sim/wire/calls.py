"""What one API call carries, and what describes an operation; shared by REST and the WebSocket API."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.sim.decimals import parse_e8
from engine.sim.wire import errors
from engine.sim.wire.params import Params
from engine.sim.wire.shell import VenueShell

MS_NS = 1_000_000
US_NS = 1_000
SYMBOL_PATTERN = "^[A-Z0-9-_.]{1,20}$"
_SYMBOL = re.compile(r"[A-Z0-9\-_.]{1,20}")
MICROSECOND_STAMPS_FROM = 100_000_000_000_000


@dataclass(slots=True)
class Call:
    """One request after its security checks. ``account_id`` is -1 on a public one; ``unit_ns`` the unit of times."""

    shell: VenueShell
    params: Params
    now_ns: int
    unit_ns: int = MS_NS
    account_id: int = -1
    is_socket: bool = False

    def symbol(self) -> str:
        """The mandatory ``symbol``; refuses -1102, -1100 and, unknown, -1121."""
        return self.known_symbol(self.params.text("symbol"))

    def optional_symbol(self) -> str | None:
        """The symbol or None."""
        value = self.params.optional("symbol")
        return None if value is None else self.known_symbol(value)

    def known_symbol(self, name: str) -> str:
        """Check a symbol's form (-1100) and existence (-1121)."""
        if _SYMBOL.fullmatch(name) is None:
            raise errors.illegal_characters("symbol", SYMBOL_PATTERN)
        self.shell.core.rules(name)
        return name

    def symbol_list(self) -> tuple[tuple[str, ...], bool]:
        """The symbols asked for, and whether the reply is one object (a single ``symbol``)."""
        asked = self.params.symbols()
        if asked is None:
            return self.shell.core.symbols(), False
        if isinstance(asked, str):
            return (self.known_symbol(asked),), True
        return tuple(self.known_symbol(name) for name in asked), False

    def decimal(self, name: str) -> int | None:
        """A decimal parameter in units of 1e-8 or None."""
        value = self.params.optional(name)
        return None if value is None else parse_e8(value, name)

    def stamp_ns(self, name: str) -> int | None:
        """A time parameter (milliseconds, or microseconds by magnitude) in nanoseconds or None."""
        value = self.params.integer(name)
        if value is None:
            return None
        return value * (US_NS if value >= MICROSECOND_STAMPS_FROM else MS_NS)

    def end_stamp_ns(self, name: str = "endTime") -> int | None:
        """An inclusive end: the last nanosecond of the unit that was sent."""
        value = self.params.integer(name)
        if value is None:
            return None
        step = US_NS if value >= MICROSECOND_STAMPS_FROM else MS_NS
        return value * step + step - 1


Handler = Callable[[Call], bytes]
Weigh = Callable[[Params], int]


def fixed(weight: int) -> Weigh:
    """A weight that does not depend on the parameters."""
    return lambda _params: weight


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint. ``known`` names the parameters that it reads beside the security ones.

    ``is_order``: counts among order requests (faults, and the ORDERS rows of the WebSocket API);
    ``free``: its weight is given back when it succeeds; ``counts_order``: a success adds to the order count;
    ``keyed``: the API key is named but nothing is signed; ``lenient``: names that it does not read are passed over,
    and times are always milliseconds (USD-M); ``pool``: a count of requests that it draws on beside its weight.
    """

    name: str
    handle: Handler
    weigh: Weigh
    known: frozenset[str] = frozenset()
    signed: bool = False
    is_order: bool = False
    free: bool = False
    counts_order: bool = False
    keyed: bool = False
    lenient: bool = False
    pool: str = ""


def array(rows: list[str]) -> bytes:
    """A JSON array of ready objects."""
    return f"[{','.join(rows)}]".encode()
