"""Which scenario shows which kind of order being placed, amended, triggered, filled and cancelled, at which venue.

Read from the scenarios themselves: what an order is stands in the words of its step, what became of it in the steps and in what the
scenario expects. What no scenario can bring about, because prices would have to move far, a test of `tests/contract` shows.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.sim.scenario import KINDS, Scenario, scenarios
from tests.sim.scripted import CHILD

EVENTS = ("placed", "amended", "triggered", "filled", "cancelled")
CONDITIONAL = (
    *("STOP", "STOP_LIMIT", "MARKET_IF_TOUCHED", "LIMIT_IF_TOUCHED", "TRAILING_STOP", "TRAILING_STOP_LIMIT"),
    *("CLOSE_POSITION", "OCO", "OUO", "BRACKET", "EMULATED", "NATIVE_TRAILING"),
)
ROWS = (
    *("MARKET", "LIMIT", *CONDITIONAL[:6], "NATIVE_TRAILING", "EMULATED"),
    *("IOC", "FOK", "GTD", "DAY", "POST_ONLY", "REDUCE_ONLY", "CLOSE_POSITION", "ICEBERG"),
    *("OCO", "OTO", "OTOCO", "OUO", "BRACKET"),
)
LISTS = {"OCO", "OTO", "OTOCO", "OUO"}
Cell = tuple[str, str, str]  # row, event, kind of venue

AT_ONCE = "it is over as soon as it is there"
SPOT, USDM = KINDS
# what cannot be, and why
NEVER: dict[Cell, str] = {
    **{
        (row, event, kind): AT_ONCE
        for row in ("MARKET", "IOC", "FOK")
        for event in ("amended", "cancelled")
        for kind in KINDS
    },
    **{(row, "amended", SPOT): "the venue changes no order of a list" for row in ("OCO", "OTO", "OTOCO")},
}
NATIVE_SPOT, NATIVE_FUTURES = (f"tests/contract/test_native_{name}_orders.py" for name in ("spot", "futures"))
TRIGGERED = {
    SPOT: f"{NATIVE_SPOT}::test_a_conditional_order_waits_is_triggered_and_done_under_one_handle",
    USDM: f"{NATIVE_FUTURES}::test_a_conditional_order_becomes_an_order_of_the_book_under_the_same_handle",
}
# what a test of tests/contract shows
ELSEWHERE: dict[Cell, str] = {
    ("NATIVE_TRAILING", event, kind): TRIGGERED[kind] for event in ("triggered", "filled") for kind in KINDS
}


def words_of(options: dict[str, Any], price: str) -> set[str]:
    """The rows that an order belongs to by its words."""
    is_trailing = "trail" in options or "trail_bps" in options
    if is_trailing:
        kind = "TRAILING_STOP_LIMIT" if "limit_offset" in options or price else "TRAILING_STOP"
    elif "trigger" in options:
        kind = options.get("type", "STOP_LIMIT" if price else "STOP")
    else:
        kind = "LIMIT" if price else "MARKET"
    found = {kind, options.get("time_in_force", "GTC")}
    marks = {
        "post_only": "POST_ONLY",
        "reduce_only": "REDUCE_ONLY",
        "close_position": "CLOSE_POSITION",
        "emulated": "EMULATED",
    }
    found |= {row for name, row in marks.items() if options.get(name)}
    found |= {
        row
        for name, row in (("display", "ICEBERG"), ("expire_s", "GTD"), ("trail_bps", "NATIVE_TRAILING"))
        if name in options
    }
    return found


def orders_of(scenario: Scenario) -> dict[str, set[str]]:
    """The rows of each order by its name."""
    found: dict[str, set[str]] = {}
    for step in scenario.steps:
        if step.do == "place":
            found[step.order] = words_of(step.options, step.price)
        elif step.do == "bracket":
            found[step.order] = {"BRACKET"}
        for leg in step.legs:
            found[leg.order] = words_of(leg.options, leg.price) | {step.contingency}
    return found


def ends_of(scenario: Scenario) -> dict[str, set[str]]:
    """Each state in which the scenario wants an order to be."""
    found: dict[str, set[str]] = defaultdict(set)
    for states in (*(step.then for step in scenario.steps), scenario.orders):
        for name, state in states.items():
            found[name].add(state)
    for name, *_ in scenario.fills:
        found[name].add("FILLED")
    return found


def shown(scenario: Scenario) -> set[tuple[str, str]]:
    """Row and event of everything that a scenario shows."""
    ends, cells = ends_of(scenario), set()
    for name, rows in orders_of(scenario).items():
        if "REFUSED" in ends[name]:
            continue
        did = {step.do for step in scenario.steps if step.order == name}
        did |= {"cancel"} if rows & LISTS and any(step.do == "cancel" for step in scenario.steps) else set()
        events = {"placed"}
        events |= {"amended"} if did & {"amend", "amend_held", "amend_exits", "replace"} else set()
        events |= {"cancelled"} if "cancel" in did and "CANCELED" in ends[name] else set()
        events |= {"filled"} if "FILLED" in ends[name] else set()
        is_met = "FILLED" in ends[name] and any(row in CONDITIONAL for row in rows)
        if is_met or ("BRACKET" in rows and is_stopped(scenario)):
            events |= {"triggered"}
        cells |= {(row, event) for row in rows for event in events}
    return cells


def is_stopped(scenario: Scenario) -> bool:
    """A child sold at the market: a bracket's stop."""
    return any(name == CHILD and role == "taker" for name, _, _, role in scenario.fills)


def is_wanted(row: str, event: str) -> bool:
    """Only what waits for a price is triggered; of lists those that have such an order."""
    return event != "triggered" or row in (*CONDITIONAL, "OTOCO")


def table() -> dict[Cell, list[str]]:
    """Each cell and what shows it; empty where nothing does."""
    cells: dict[Cell, list[str]] = {
        (row, event, kind): [test] if (test := ELSEWHERE.get((row, event, kind))) else []
        for row in ROWS
        for event in EVENTS
        for kind in KINDS
        if is_wanted(row, event) and (row, event, kind) not in NEVER
    }
    for kind, scenario in scenarios():
        for row, event in shown(scenario):
            if (row, event, kind) in cells:
                cells[row, event, kind].append(scenario.name)
    return cells
