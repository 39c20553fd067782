"""The slow twin of the replay venue's queue model: it keeps what happened and thinks everything through again each time.

One order's place is found by walking all events since it joined; nothing is remembered between two questions but the history.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class TwinOrder:
    """An own order: where in the history it joined, its size, and what it got by which event."""

    joined_at: int
    size: int
    got: dict[int, int] = field(default_factory=dict)

    @property
    def open_lots(self) -> int:
        return self.size - sum(self.got.values())


class HistoryQueue:
    """Events in their order: ("look", lots), ("trade", lots), ("settle", 0), ("join", order index)."""

    def __init__(self, recorded: int) -> None:
        self.events: list[tuple[str, int]] = [("look", recorded)]
        self.orders: list[TwinOrder] = []

    def join(self, lots: int) -> None:
        self.orders.append(TwinOrder(len(self.events), lots))
        self.events.append(("join", len(self.orders) - 1))

    def look(self, lots: int) -> None:
        self.events.append(("look", lots))

    def settle(self) -> None:
        self.events.append(("settle", 0))

    def trade(self, lots: int) -> list[tuple[int, int]]:
        """(order index, lots) of each fill."""
        number = len(self.events)
        places = [self.ahead_of(index) for index in range(len(self.orders))]
        self.events.append(("trade", lots))
        fills: list[tuple[int, int]] = []
        for index, order in enumerate(self.orders):
            if not order.open_lots:
                continue
            behind_queue = lots - places[index]
            fill = min(order.open_lots, behind_queue - sum(qty for _, qty in fills))
            if fill > 0:
                order.got[number] = fill
                fills.append((index, fill))
        return fills

    def ahead_of(self, index: int) -> int:
        """Recorded lots in front of an order now."""
        ahead = -1
        for number, (kind, value) in enumerate(self.events):
            if kind == "join" and value == index:
                ahead = self.shown(number)
            elif ahead < 0:
                continue
            elif kind == "trade":
                ahead = max(0, ahead - value)
            elif kind == "settle":
                cancelled = self.unexplained(number)
                total = self.shown(number) + cancelled
                ahead = min(ahead - (cancelled * ahead // total if total else 0), self.shown(number))
        return ahead

    def shown(self, until: int) -> int:
        """What the recording showed last before an event."""
        return next(value for kind, value in reversed(self.events[:until]) if kind == "look")

    def unexplained(self, until: int) -> int:
        """What went missing since the last settlement and no trade accounts for, in either order."""
        start = max((at for at in range(until) if self.events[at][0] == "settle"), default=0)
        shown, missing, traded = self.shown(start) if start else self.events[0][1], 0, 0
        for kind, value in self.events[start:until]:
            if kind == "look":
                lost = max(0, shown - value)
                used = min(lost, traded)
                traded, missing, shown = traded - used, missing + lost - used, value
            elif kind == "trade":
                used = min(value, missing)
                missing, traded = missing - used, traded + value - used
        return missing
