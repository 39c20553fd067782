"""What happens in a hunt, as data: drawn from a seed, saved to a file, cut down to what a failure needs.

A schedule is a list of events in the order of time. Each family of events has dice of its own, so that leaving one family out
changes nothing in the others. Faults come in storms; each is followed by a calm in which everything must become whole again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

MS_PER_S = 1_000
STORM_S = 150
CALM_S = 100
CYCLE_S = STORM_S + CALM_S
# the first cycle's storm begins when the engine has had time to start
FIRST_S = 10
# nothing new is asked for so long before the end of a calm
SETTLE_S = 45
MARKETS = ("spot", "usdm")
SYMBOLS = ("BTCUSDT", "ETHUSDT")
DURABILITIES = ("os", "group", "order")
POSITION_MODES = ("one-way", "hedge")
# of all seeds so many wait for the disk with each order; of those at a futures venue so many trade in hedge mode
ORDER_SHARE = 0.3
HEDGED_SHARE = 0.3
Args = dict[str, Any]


class Event(msgspec.Struct, frozen=True):
    """One thing that happens `at_ms` of virtual time after the beginning."""

    at_ms: int
    family: str
    what: str
    args: Args = {}

    def text(self) -> str:
        """For people."""
        words = " ".join(f"{name}={value}" for name, value in self.args.items())
        return f"{self.at_ms / MS_PER_S:10.3f} s  {self.family}.{self.what} {words}".rstrip()


class Schedule(msgspec.Struct, frozen=True):
    """Everything that decides a run: `breaks` names a guard that is taken away, for tests of the checkers.

    `durability` and `position_mode` (futures) are those of the engine's configuration.
    """

    seed: int
    market: str
    seconds: int
    symbols: tuple[str, ...]
    events: tuple[Event, ...]
    breaks: str = ""
    durability: str = "group"
    position_mode: str = "one-way"

    def replaced(self, events: Iterable[Event]) -> Schedule:
        """The same with other events."""
        return msgspec.structs.replace(self, events=tuple(events))

    def save(self, path: Path) -> None:
        """As JSON, an event a line."""
        rows = b",\n".join(msgspec.json.encode(event) for event in self.events)
        body = msgspec.json.encode({**msgspec.to_builtins(self), "events": []})
        # whoever is interrupted leaves the old or the new one
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(body.replace(b'"events":[]', b'"events":[\n' + rows + b"\n]") + b"\n")
        fresh.replace(path)


def load(path: Path) -> Schedule:
    """Read what `save` wrote. Raises ValueError naming the file."""
    try:
        schedule = msgspec.json.decode(path.read_bytes(), type=Schedule)
    except (OSError, msgspec.DecodeError) as error:
        raise ValueError(f"{path}: {error}") from error
    for name, known in (("market", MARKETS), ("durability", DURABILITIES), ("position_mode", POSITION_MODES)):
        if (value := getattr(schedule, name)) not in known:
            raise ValueError(f"{path}: {name}: {value!r} is none of {', '.join(known)}")
    if schedule.seconds < 1 or not schedule.symbols or not set(schedule.symbols) <= set(SYMBOLS):
        raise ValueError(f"{path}: seconds must be at least 1, symbols some of {', '.join(SYMBOLS)}")
    if unknown := {event.family for event in schedule.events} - FAMILIES.keys():
        raise ValueError(f"{path}: {min(unknown)!r} is no family of events")
    return schedule


def is_calm(at_s: float) -> bool:
    """Does this second lie in a calm."""
    return at_s < FIRST_S or (at_s - FIRST_S) % CYCLE_S >= STORM_S


def calm_ends(seconds: int) -> list[int]:
    """The seconds at which a calm ends and everything must be whole; the last one is the run's end."""
    ends = list(range(FIRST_S + CYCLE_S, seconds + 1, CYCLE_S))
    return ends if ends and ends[-1] == seconds else [*ends, seconds]


def whole_cycles(seconds: float) -> int:
    """A run's length: as many whole cycles as come nearest, at least one."""
    return FIRST_S + CYCLE_S * max(1, round((seconds - FIRST_S) / CYCLE_S))


def cycles_until(at_s: float) -> int:
    """The least length of whole cycles that has this second in it."""
    return FIRST_S + CYCLE_S * max(1, math.ceil((at_s - FIRST_S) / CYCLE_S))


# --- drawing -----------------------------------------------------------------------------------------------------------

Maker = Callable[[random.Random], tuple[str, Args]]
# what people do at the control port, and how a receiver of alarms can be wrong
PORT_DEEDS = ("limits", "limits", "hedge", "protect", "instruct", "amend", "adopt", "resume", "stop")
RECEIVER_FAULTS = ("slow", "fails", "refuses", "lost", "answer_lost")


def _for_s(dice: random.Random, longest: float) -> float:
    return round(dice.uniform(0.2, longest), 2)


def _order(dice: random.Random) -> tuple[str, Args]:
    kinds = (
        *("limit",) * 8,
        *("take",) * 3,
        *("market",) * 3,
        *("post",) * 3,
        *("ioc", "fok", "stop", "stop_limit", "mit", "trail", "iceberg", "gtd", "held"),
        *("oco", "oto", "otoco", "bracket", "protect", "algo"),
        *("replace",) * 3,
        *("amend",) * 2,
        *("cancel",) * 4,
        *("cancel_all", "reduce", "reduce", "large", "cancel_parents"),
    )
    return dice.choice(kinds), {"roll": dice.randrange(1 << 32)}


def _conduct(dice: random.Random) -> tuple[str, Args]:
    return dice.choice(("runaway", "raise")), {"roll": dice.randrange(1 << 32)}


def _command(dice: random.Random) -> tuple[str, Args]:
    kinds = ("kill", "kill", "kill_symbol", "kill_strategy", "pause", "flatten", "reconcile", "order", "cancel")
    return dice.choice(kinds), {"after_s": _for_s(dice, 12), "roll": dice.randrange(1 << 32)}


def _port(dice: random.Random) -> tuple[str, Args]:
    return dice.choice(PORT_DEEDS), {"roll": dice.randrange(1 << 32)}


def _reader(dice: random.Random) -> tuple[str, Args]:
    tailing = dice.choice(("reader", "tape_reader"))
    rows: list[tuple[str, Args]] = [
        ("stall", {"part": dice.choice(("reader", "tape_reader", "recorder", "snapshots")), "for_s": _for_s(dice, 60)}),
        ("slow", {"part": tailing, "batch": dice.randint(1, 40), "for_s": _for_s(dice, 40)}),
        ("kill_in_batch", {"part": tailing}),
        ("kill_in_batch", {"part": "recorder", "when": dice.choice(("before commit", "after commit"))}),
        ("expire", {"keep_s": dice.randint(0, 10)}),
        ("expire", {"keep_s": dice.randint(0, 10)}),
        ("kill", {"down_s": _for_s(dice, 20)}),
    ]
    return dice.choice(rows)


def _receiver(dice: random.Random) -> tuple[str, Args]:
    wrong = {"channel": dice.choice(("webhook", "command")), "fault": dice.choice(RECEIVER_FAULTS), "for_s": _for_s(dice, 40),
             "latency_s": round(dice.uniform(0.1, 2.9), 2), "retry_after_s": dice.randint(1, 30)}  # fmt: skip
    rows: list[tuple[str, Args]] = [
        ("wrong", wrong),
        ("wrong", wrong),
        ("wrong", wrong),
        ("stall", {"part": "notifier", "for_s": _for_s(dice, 25)}),
        ("kill", {"down_s": round(dice.choice((0.1, dice.uniform(0.1, 20))), 2)}),
        ("acknowledge", {}),
    ]
    return dice.choice(rows)


def _link(dice: random.Random) -> tuple[str, Args]:
    kind = dice.choice(("stream", "user", "ws-api", "rest", "all"))
    rows: list[tuple[str, Args]] = [
        ("latency", {"kind": kind, "to_venue_ms": round(dice.uniform(0, 900), 1), "jitter_ms": round(dice.uniform(0, 900), 1),
                     "from_venue_ms": round(dice.uniform(0, 900), 1), "for_s": _for_s(dice, 15)}),
        ("drop", {"kind": kind, "way": dice.choice(("to-venue", "from-venue", "both")),
                  "fraction": round(dice.uniform(0.02, 0.6), 2), "for_s": _for_s(dice, 12)}),
        ("half_open", {"kind": kind, "for_s": _for_s(dice, 25), "new": dice.random() < 0.3}),
        ("disconnect", {"kind": kind, "abrupt": dice.random() < 0.5}),
        ("disconnect", {"kind": "all", "abrupt": dice.random() < 0.5}),
        ("session_cap", {"seconds": dice.choice((1.0, 5.0, 20.0)), "kind": kind, "for_s": _for_s(dice, 15)}),
        ("end_user_streams", {}),
        ("shutdown_notice", {}),
    ]  # fmt: skip
    return dice.choice(rows)


def _reply(dice: random.Random) -> tuple[str, Args]:
    rows: list[tuple[str, Args]] = [
        ("drop_order_responses", {"count": dice.randint(1, 4), "for_s": 20}),
        ("order_error", {"count": dice.randint(1, 3), "code": dice.choice((-1000, -1001, -1006, -1007, -1015, -2010)),
                         "executed": dice.random() < 0.5, "for_s": 20}),
        ("delay", {"ms": round(dice.uniform(50, 4000), 1), "orders_only": dice.random() < 0.5, "for_s": _for_s(dice, 12)}),
    ]  # fmt: skip
    name, args = dice.choice(rows)
    if name == "order_error" and args["code"] not in (-1006, -1007):
        args["executed"] = False  # a plain refusal says that nothing was done
    return name, args


def _report(dice: random.Random) -> tuple[str, Args]:
    fraction = round(dice.uniform(0.1, 1.0), 2)
    rows: list[tuple[str, Args]] = [
        ("mute_user_events", {"count": dice.randint(1, 5), "fraction": fraction, "for_s": 20}),
        ("duplicate_user_events", {"count": dice.randint(1, 20), "fraction": fraction, "for_s": 20}),
        ("reorder_user_events", {"count": dice.randint(1, 10), "fraction": fraction, "for_s": 20}),
        ("events_first", {"for_s": _for_s(dice, 20)}),
    ]
    return dice.choice(rows)


def _feed(dice: random.Random) -> tuple[str, Args]:
    flaw = dice.choice(("crossed", "locked", "zero-price", "negative-price", "negative-qty", "jump"))
    rows: list[tuple[str, Args]] = [
        ("gap", {"count": dice.randint(1, 3)}),
        ("gap", {"count": 1}),
        ("bad_book", {"flaw": flaw, "count": dice.randint(1, 3), "ticker": dice.random() < 0.3, "for_s": 10}),
    ]
    name, args = dice.choice(rows)
    return name, args | {"roll": dice.randrange(1 << 32)}


def _frame(dice: random.Random) -> tuple[str, Args]:
    target = dice.choice(("stream", "user", "ws-api", "rest"))
    mode = dice.choice(("cut", "garbage", "types", "binary", "utf8", "cut", "garbage", "huge"))
    return "malformed", {"target": target, "mode": mode, "count": dice.randint(1, 3), "for_s": 10}


def _limit(dice: random.Random) -> tuple[str, Args]:
    rows: list[tuple[str, Args]] = [
        (
            "limited",
            {"status": 429, "retry_after_s": dice.randint(1, 8), "kind": dice.choice(("ws-api", "rest", "all"))},
        ),
        (
            "limited",
            {"status": 418, "retry_after_s": dice.randint(3, 12), "kind": dice.choice(("ws-api", "rest", "all"))},
        ),
        ("limits", {"share": round(dice.uniform(0.3, 0.85), 2)}),
    ]
    return dice.choice(rows)


def _clock(dice: random.Random) -> tuple[str, Args]:
    rows: list[tuple[str, Args]] = [
        ("step", {"ms": dice.choice((-3_600_000, -5_000, -800, 800, 5_000, 3_600_000)), "for_s": _for_s(dice, 20)}),
        ("drift", {"ppm": dice.choice((-200, -20, 20, 200)), "for_s": 60.0}),
        ("clock_offset", {"ms": dice.choice((-6_000, -1_500, -300, 300, 1_500, 6_000)), "for_s": _for_s(dice, 20)}),
        ("timestamp_errors", {"count": dice.randint(1, 3), "for_s": 20}),
    ]
    return dice.choice(rows)


def _disk(dice: random.Random) -> tuple[str, Args]:
    rows: list[tuple[str, Args]] = [
        ("fail", {"mode": dice.choice(("once", "sticky")), "code": dice.choice((5, 28)), "ahead": dice.randint(1, 12),
                  "restart_s": _for_s(dice, 8)}),
        ("short", {"ahead": dice.randint(1, 6)}),
        ("power_cut", {"down_s": _for_s(dice, 20), "roll": dice.randrange(1 << 32)}),
    ]  # fmt: skip
    return dice.choice(rows)


def _crash(dice: random.Random) -> tuple[str, Args]:
    when = dice.choice(("now", "before_send", "after_send", "after_answer", "before_send", "after_send"))
    return when, {"down_s": round(dice.choice((0.5, 2.0, dice.uniform(0.5, 25.0))), 2), "count": dice.randint(1, 3)}


def _venue(dice: random.Random) -> tuple[str, Args]:
    rows: list[tuple[str, Args]] = [
        ("restart", {"for_s": _for_s(dice, 12)}),
        ("refuse", {"for_s": _for_s(dice, 8), "kind": dice.choice(("ws", "rest", "all"))}),
    ]
    return dice.choice(rows)


def _sync(dice: random.Random) -> tuple[str, Args]:
    """A disk that takes its time, mostly shorter than an order may wait for it, now and then far longer."""
    longest = dice.choice((20, 120, 120, 700, 4_000))
    return "held", {"ms": dice.randint(1, longest)}


def _stall(dice: random.Random) -> tuple[str, Args]:
    return "engine", {"ms": dice.choice((60, 300, 1_500, 5_000))}


def _other(dice: random.Random) -> tuple[str, Args]:
    return dice.choice(("order", "deposit", "take")), {"roll": dice.randrange(1 << 32)}


class Family(msgspec.Struct, frozen=True):
    """A family of events: its maker, the mean pause between two, and whether they are faults, which spare the calms."""

    make: Maker
    pause_s: float
    is_fault: bool = True


FAMILIES: dict[str, Family] = {
    "orders": Family(_order, 0.8, False),
    "conduct": Family(_conduct, 200),
    "commands": Family(_command, 45),
    "links": Family(_link, 22),
    "replies": Family(_reply, 28),
    "reports": Family(_report, 25),
    "feeds": Family(_feed, 25),
    "frames": Family(_frame, 30),
    "limits": Family(_limit, 90),
    "clocks": Family(_clock, 50),
    "disks": Family(_disk, 110),
    "crashes": Family(_crash, 70),
    "venue": Family(_venue, 120),
    "stalls": Family(_stall, 60),
    "others": Family(_other, 60),
    "port": Family(_port, 40),
    "readers": Family(_reader, 20),
    "receivers": Family(_receiver, 25),
    "syncs": Family(_sync, 1.5),
}
FAULTS = tuple(name for name, family in FAMILIES.items() if family.is_fault)


def families(faults: Iterable[str] | None) -> tuple[str, ...]:
    """The families of faults that are named; all where None is. Raises ValueError for one that there is not."""
    chosen = FAULTS if faults is None else tuple(faults)
    if unknown := [name for name in chosen if name not in FAULTS]:
        raise ValueError(f"{unknown[0]!r} is no family of faults; there are {', '.join(FAULTS)}")
    return chosen


def draw(
    seed: int, seconds: float, faults: Iterable[str] | None = None, market: str = "", breaks: str = ""
) -> Schedule:
    """The schedule of a seed. `faults`: which families beside the orders; all of them where none are named.

    Raises ValueError for a family that there is not.
    """
    chosen = families(faults)
    length_s = whole_cycles(seconds)
    market = market or MARKETS[random.Random(f"{seed} market").randrange(2)]
    durability = "order" if random.Random(f"{seed} durability").random() < ORDER_SHARE else "group"
    is_hedged = market == "usdm" and random.Random(f"{seed} hedge").random() < HEDGED_SHARE
    names = [name for name, family in FAMILIES.items() if not family.is_fault or name in chosen]
    if durability != "order":  # nothing waits for a sync at the other levels
        names = [name for name in names if name != "syncs"]
    events = [event for name in names for event in _drawn(seed, name, length_s)]
    events.sort(key=lambda event: event.at_ms)
    return Schedule(
        seed=seed,
        market=market,
        seconds=length_s,
        symbols=SYMBOLS,
        events=tuple(events),
        breaks=breaks,
        durability=durability,
        position_mode="hedge" if is_hedged else "one-way",
    )


def _drawn(seed: int, name: str, length_s: int) -> list[Event]:
    """One family's events. A storm's strength is drawn too: some are mild, some bring much at once."""
    family, dice = FAMILIES[name], random.Random(f"{seed} {name}")
    events: list[Event] = []
    at_s, strength = float(FIRST_S), 1.0
    storm = -1
    while True:
        if int((at_s - FIRST_S) // CYCLE_S) != storm:
            storm = int((at_s - FIRST_S) // CYCLE_S)
            strength = dice.choice((0.3, 1.0, 1.0, 2.5)) if family.is_fault else 1.0
        at_s += max(0.02, dice.expovariate(strength / family.pause_s))
        if at_s >= length_s:
            return events
        what, args = family.make(dice)
        left_s = CYCLE_S - (at_s - FIRST_S) % CYCLE_S
        if is_calm(at_s) if family.is_fault else left_s < SETTLE_S:
            continue
        events.append(Event(int(at_s * MS_PER_S), name, what, args))
