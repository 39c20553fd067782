"""The words of an execution algorithm, as text, to its terms. A word that the algorithm does not know is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect

from engine.model.algo_terms import AlgoTerms, Iceberg, Peg, Pov, Shortfall, Sniper, Twap, Vwap
from engine.model.codes import TrailKind
from engine.model.exact import WordError, bps, distance, duration_ns, on_grid, scaled, whole
from engine.model.volume_profile import VolumeProfile

Words = Mapping[str, str]
KINDS: Mapping[str, type[AlgoTerms]] = {
    "twap": Twap,
    "vwap": Vwap,
    "pov": Pov,
    "iceberg": Iceberg,
    "shortfall": Shortfall,
    "is": Shortfall,
    "sniper": Sniper,
    "peg": Peg,
}
TIMED = {
    "duration": "duration_ns",
    "slices": "slices",
    "style": "style",
    "catch-up": "catch_up",
    "at-end": "at_end",
    "time-jitter": "time_jitter_bps",
    "size-jitter": "size_jitter_bps",
    "retry": "retry_ns",
}
# the word an operator says, and the field that it sets
WORDS: Mapping[type[AlgoTerms], Mapping[str, str]] = {
    Twap: TIMED,
    Vwap: TIMED,
    Shortfall: TIMED
    | {
        "risk-aversion": "risk_aversion_e18",
        "volatility": "volatility_e8",
        "temporary-impact": "temporary_impact_e18",
        "permanent-impact": "permanent_impact_e18",
    },
    Pov: {
        "participation": "participation_bps",
        "min-participation": "min_bps",
        "max-participation": "max_bps",
        "min-child": "child_lots_min",
        "max-child": "child_lots_max",
        "style": "style",
        "duration": "duration_ns",
        "at-end": "at_end",
        "retry": "retry_ns",
    },
    Iceberg: {
        "display": "display_lots",
        "size-jitter": "size_jitter_bps",
        "refresh": "refresh_ns",
        "duration": "duration_ns",
    },
    Sniper: {"min-take": "take_lots_min", "retry": "retry_ns", "duration": "duration_ns"},
    Peg: {
        "to": "to",
        "offset": "offset_ticks",
        "tolerance": "tolerance_ticks",
        "replace-every": "replace_ns",
        "display": "display_lots",
        "post-only": "post_only",
        "duration": "duration_ns",
        "at-end": "at_end",
    },
}
NEEDED: Mapping[type[AlgoTerms], tuple[str, ...]] = {
    Twap: ("duration",),
    Vwap: ("duration",),
    Shortfall: ("duration", "risk-aversion", "volatility", "temporary-impact"),
    Pov: ("participation",),
    Iceberg: ("limit", "display"),
    Sniper: ("limit",),
    Peg: (),
}
CHOICES = {
    "style": ("take", "join"),
    "catch_up": ("next", "spread", "none"),
    "at_end": ("cancel", "cross"),
    "to": ("best", "mid", "opposite"),
}


def algo_terms(
    name: str, words: Words, tick_e8: int, lot_e8: int, profile: VolumeProfile | None, now_wall_ns: int
) -> AlgoTerms:
    """The terms of the algorithm `name`; refuses unknown, missing and misshapen words."""
    kind = kind_of(name)
    fields = {"limit": "limit_ticks"} | dict(WORDS[kind])
    for word in NEEDED[kind]:
        if word not in words:
            price = " (a price)" if word == "limit" else ""
            raise WordError(f"{name} needs --{'price' if word == 'limit' else word}{price}")
    found: dict[str, Any] = {}
    for word, text in words.items():
        if word not in fields:
            raise WordError(f"{name} knows no {word!r}; it knows: {', '.join(sorted(fields))}")
        found[fields[word]] = value_of(fields[word], word, text, tick_e8, lot_e8)
        check_range(kind, fields[word], found[fields[word]], f"{word} {text!r}")
    if kind is Vwap:
        found["weights"] = weights_of(profile, found, now_wall_ns)
    elif profile is not None:
        raise WordError(f"{name} has no volume profile: that is vwap's")
    try:
        return msgspec.convert({"algo": kind.__name__.lower()} | found, kind)
    except msgspec.ValidationError as error:
        raise WordError(f"{name}: {error}") from None


def kind_of(name: str) -> type[AlgoTerms]:
    """The terms that a name means."""
    if name not in KINDS:
        raise WordError(f"unknown algorithm {name!r}; there are: {', '.join(sorted(KINDS))}")
    return KINDS[name]


def weights_of(profile: VolumeProfile | None, found: dict[str, Any], now_wall_ns: int) -> tuple[int, ...]:
    """What the profile expects of each slice, from now on."""
    if profile is None:
        raise WordError("vwap needs --profile FILE: `tradewind profile` makes one")
    found.setdefault("slices", 10)
    return profile.weights(now_wall_ns, found["duration_ns"], max(1, min(found["slices"], 1_000)))


def value_of(field: str, word: str, text: str, tick_e8: int, lot_e8: int) -> int | str | bool:
    """One word's value, by the unit that its field's name ends with."""
    if field in CHOICES:
        if text not in CHOICES[field]:
            raise WordError(f"{word} {text!r} must be one of {', '.join(CHOICES[field])}")
        return text
    if field == "post_only":
        return text == "yes"
    if field.endswith("_e18"):
        return scaled(text, 18, word)
    if field.endswith("_e8"):
        return scaled(text, 8, word)
    if field in ("offset_ticks", "tolerance_ticks"):
        return signed_ticks(text, tick_e8, word)
    unit = field.rpartition("_")[2]
    if unit == "ns":
        return duration_ns(text, word)
    if unit == "bps":
        return bps(text, word)
    if unit == "slices":
        return whole(text, word)
    return on_grid(text, tick_e8 if unit == "ticks" else lot_e8, word)


def check_range(kind: type[AlgoTerms], field: str, value: int | str | bool, said: str) -> None:
    """WordError, in the word's own unit, where a number is none that the algorithm takes."""
    fields = inspect.type_info(kind).fields  # type: ignore[attr-defined]
    limits = next(found.type for found in fields if found.name == field)
    if not isinstance(limits, inspect.IntType) or isinstance(value, str):
        return
    least = limits.ge if limits.ge is not None or limits.gt is None else limits.gt + 1
    if least is not None and value < least:
        raise WordError(f"{said} is too small: at least {in_unit(field, least)}")
    if limits.le is not None and value > limits.le:
        raise WordError(f"{said} is too large: at most {in_unit(field, limits.le)}")


def in_unit(field: str, value: int) -> str:
    """A bound as an operator would say it."""
    if field.endswith("_bps"):
        return f"{value // 100}%" if value % 100 == 0 else f"{value}bps"
    if field.endswith("_ns"):
        return f"{value // 86_400_000_000_000}d" if value >= 86_400_000_000_000 else f"{value // 1_000_000}ms"
    exponent = next((digits for end, digits in (("_e18", 18), ("_e8", 8)) if field.endswith(end)), 0)
    if exponent:
        return f"1e-{exponent}" if value == 1 else str(value)
    return f"{value}ticks" if field.endswith("_ticks") else str(value)


def signed_ticks(text: str, tick_e8: int, word: str) -> int:
    """5ticks, -2ticks, 0.5 in units of the price; 0 is allowed."""
    sign, bare = (-1, text[1:]) if text.startswith("-") else (1, text)
    if bare in ("0", "0ticks"):
        return 0
    found = distance(bare, tick_e8, word)
    if found.unit != TrailKind.TICKS:
        raise WordError(f"{word} {text!r} must be ticks, as 5ticks, or units of the price")
    return sign * found.amount
