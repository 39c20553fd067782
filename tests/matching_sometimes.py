"""What a long random history must have come upon: every reason, row, legal form of order and named rare state."""

from __future__ import annotations

from collections import Counter

from tests.matching_traffic import FORMS
from tests.reference.matching_engine import SlowMatchingEngine
from tests.reference.matching_records import (
    ACCEPTED,
    AMEND,
    BAND,
    CONTAINERS,
    EXPIRED,
    FOK,
    IOC,
    KINDS,
    MARKET,
    MASS_CANCEL,
    NEW,
    PHASE,
    REASONS,
    TRADE,
    TRAILING_STOP,
    Event,
    Operation,
)

# Not here, for the page's own rules leave no way to them: a market order that finds orders beyond the band (they expire when a
# band is set), and an amended reduce-only order without anything to reduce (it expired behind the step that took the position).
RARE_STATES = (
    "a band expires an order of a call",
    "a band moves a market order",
    "a bust expires reduce-only orders",
    "a trigger sets another off",
    "a waiting order loses its place",
    "an amend moves an order into the call",
    "an amended reduce-only order is cut",
    "an iceberg reduced in its place",
    "an iceberg's hidden part trades in an uncross",
    "an uncross triggers",
    "balanced uncross without a last price",
    "fill-or-kill meets own order",
    "fill-or-kill passes a reduce-only maker",
    "iceberg refreshed by a prevention",
    "market order in a call",
    "new reduce-only order cut",
    "no page for a market order's new edge",
    "no page for an order of a call",
    "own orders trade in an uncross",
    "prevention uses the taker up",
    "reduce-only expired behind a step",
    "reduce-only maker cut",
    "reduce-only maker without position",
    "reprice beyond the edge",
    "several auction prices",
    "several orders expire at one time",
    "three triggers of one operation",
    "trailing stop activated by a trade",
    "triggered and refused: LEVELS_FULL",
    "triggered and refused: PRICE_BAND",
    "triggered and refused: REDUCE_ONLY",
    "triggered and refused: WOULD_CROSS",
    "triggered and repriced",
    "triggered reduce-only cut",
    "triggers at entry",
    "two kinds of waiting met by one price",
    "uncross with a surplus on either side",
    "uncross with buyers left",
    "uncross with sellers left",
    "uncross without a trade",
    "uncross without surplus",
)
MARKET_TIFS, LIMIT_TIFS = (0, 3, 4), (0, 1, 2, 3, 4)


def form_name(op: Operation) -> str:
    """The legal form that an operation has."""
    is_iceberg = op.type != TRAILING_STOP and op.display != 0
    return f"form: type {op.type} tif {op.tif} flags {op.flags} iceberg {is_iceberg} priced {op.has_price}"


def required() -> list[str]:
    """Everything that must be come upon."""
    names = [f"row: {kind}" for kind in KINDS] + [f"reason: {reason}" for reason in REASONS]
    for form in FORMS:
        op = Operation(NEW, 0, form.type, form.tif, form.flags, price=int(form.has_price), display=int(form.is_iceberg))
        names.append(form_name(op))
    names += [f"triggered type {kind} tif {tif}" for kind in (2, 4) for tif in MARKET_TIFS]
    names += [f"triggered type {kind} tif {tif}" for kind in (3, 5, 6) for tif in LIMIT_TIFS]
    names += [f"prevention by mode {stp}" for stp in range(1, 5)]
    names += [f"container {number} in use" for number in CONTAINERS]
    names += [f"amend in container {number}" for number in CONTAINERS]
    names += [f"phase from {old} to {new}" for old in range(4) for new in range(4) if old != new]
    names += [f"mass cancel of {count} rows" for count in ("one", "many")]
    names += ["band opens", "market order finds nothing", "rest of an immediate order", *RARE_STATES]
    return names


class Sometimes:
    """Counts by name."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def before(self, op: Operation, slow: SlowMatchingEngine) -> None:
        """Look at what an amend will meet."""
        if op.op == AMEND and (found := slow.find(op.order_id)):
            self.seen[f"amend in container {found[1]}"] += 1

    def after(self, op: Operation, rows: list[Event]) -> None:
        """Look at what came of an operation."""
        for row in rows:
            self.seen[f"row: {KINDS[row[0]]}"] += 1
            self.seen[f"reason: {REASONS[row[2]]}"] += 1
        kind, last = rows[0][0], rows[-1]
        if op.op == NEW and kind == ACCEPTED:
            self.after_new(op, rows)
        elif op.op == PHASE and last[0] != 3:
            self.seen[f"phase from {last[7]} to {last[8]}"] += 1
        elif op.op == BAND and last[0] != 3:
            self.seen["band opens"] += last[8] == 0
        elif op.op == MASS_CANCEL and kind == 2:
            self.seen[f"mass cancel of {'one' if len(rows) == 1 else 'many'} rows"] += 1

    def after_new(self, op: Operation, rows: list[Event]) -> None:
        self.seen[form_name(op)] += 1
        last = rows[-1]
        if any(row[0] != TRADE and row[2] == REASONS.index("SELF_TRADE") for row in rows):
            self.seen[f"prevention by mode {op.stp}"] += 1
        if op.tif in (IOC, FOK) and last[0] == EXPIRED:
            self.seen["rest of an immediate order"] += 1
        self.seen["market order finds nothing"] += op.type == MARKET and last[2] == REASONS.index("NO_LIQUIDITY")

    def end(self, slow: SlowMatchingEngine) -> None:
        """Take over what the twin met."""
        self.seen.update(slow.met)

    def look_into(self, slow: SlowMatchingEngine) -> None:
        """Which containers are in use now."""
        for state in slow.symbols:
            self.seen.update(f"container {number} in use" for number, rows in enumerate(state.orders) if rows)

    def missing(self) -> list[str]:
        """What was never come upon."""
        return [name for name in required() if not self.seen[name]]
