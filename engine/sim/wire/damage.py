"""Damages a message the way a broken sender would. Pure: what is random comes from the dice."""

from __future__ import annotations

import msgspec

from engine.sim.seeded import SeededRandom

HUGE_BYTES = 1 << 20
GARBAGE_BYTES = 8
NO_UTF8 = b"\xff\xfe\xc3("


def damaged(message: bytes, mode: str, dice: SeededRandom) -> bytes:
    """``message`` after ``mode``; "binary" changes how it is sent, not what."""
    if mode == "cut":
        return message[: dice.below(len(message))] if message else b""
    if mode == "garbage":
        return _with(message, bytes(dice.below(256) for _ in range(GARBAGE_BYTES)), dice)
    if mode == "utf8":
        return _with(message, NO_UTF8, dice)
    if mode == "types":
        return _other_types(message)
    if mode == "huge":
        return message[:-1] + b',"padding":"' + b"x" * HUGE_BYTES + b'"' + message[-1:]
    return message


def _with(message: bytes, inserted: bytes, dice: SeededRandom) -> bytes:
    """Overwrite a stretch in the middle."""
    place = 1 + dice.below(max(1, len(message) - len(inserted) - 1))
    return message[:place] + inserted + message[place + len(inserted) :]


def _other_types(message: bytes) -> bytes:
    """Texts become numbers, numbers lists, truths and lists texts; the names stay."""
    return msgspec.json.encode(_turned(msgspec.json.decode(message)))


def _turned(value: object) -> object:
    if isinstance(value, dict):
        return {name: _turned(inner) for name, inner in value.items()}
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return "list"
    return [value]
