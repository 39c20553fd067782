"""Codes to the names that stand in SQL: mappings that know an answer to every number."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from engine.model import codes


class Words(dict[int, str]):
    """Number to name; a number that this build does not know stands as itself."""

    @classmethod
    def of(cls, enum: type[IntEnum]) -> Words:
        """The names of an enumeration."""
        return cls((member.value, member.name) for member in enum)

    def __missing__(self, number: int) -> str:
        return str(number)


class Truth(dict[int, bool]):
    """0 is False, everything else True."""

    def __init__(self) -> None:
        super().__init__({0: False, 1: True})

    def __missing__(self, number: int) -> bool:
        return True


class Numbers(dict[int, int]):
    """A number for a number, 0 for one that is not there."""

    def __missing__(self, number: int) -> int:
        return 0


class Texts:
    """Bytes of fixed width to text."""

    def __getitem__(self, data: bytes) -> str:
        return data.rstrip(b"\0").decode("utf-8", "backslashreplace").replace("\0", "\\0")


def text_of(data: bytes) -> str:
    """Zero-padded UTF-8 as text that every database takes: without zero bytes."""
    return TEXTS[data]


def words_of(enums: Iterable[tuple[str, type[IntEnum]]]) -> dict[str, Words]:
    """Words by column."""
    return {column: Words.of(enum) for column, enum in enums}


TRUTH = Truth()
TEXTS = Texts()
SCOPES = Words({0: ""} | {scope.value + 1: scope.name for scope in codes.LimitScope})
SIDES = Words.of(codes.PositionSide)
COLUMN_WORDS: dict[str, Any] = {
    **words_of(
        (
            ("side", codes.Side),
            ("position_side", codes.PositionSide),
            ("order_type", codes.OrderType),
            ("time_in_force", codes.TimeInForce),
            ("action", codes.IntentAction),
            ("reason", codes.Reason),
            ("trading_state", codes.TradingState),
            ("risk_mode", codes.RiskMode),
            ("previous_mode", codes.RiskMode),
            ("breaker", codes.BreakerState),
        )
    ),
    "client_order_id": TEXTS,
    **dict.fromkeys(("is_triggered", "is_maker", "is_external", "is_answer", "is_margin", "approved"), TRUTH),
}
