"""Where own orders stand in a recorded queue: the fill model of the replay venue. Quantities are lots.

An order joins the end of what is recorded at its price. A recorded trade at that price takes from the front of the queue; what
it has left when nothing stands ahead of an own order fills that order. A recorded decrease that trades explain moves nothing
more. A decrease that they do not explain is of cancels, spread evenly over the queue: the part ahead shrinks by
``cancelled * ahead / queue``, rounded down. Since a trade may be told just after the diff that holds its effect, an unexplained
decrease is taken for cancels only when the next diff has come. Increases join the end, behind the own order.

Own fills leave the recording as it was: the same trade still takes its whole quantity from what stands ahead of later own
orders. A trade's quantity is given to own orders only once.
"""

from __future__ import annotations

Fill = tuple["Waiting", int]


class Waiting:
    """An own resting order."""

    __slots__ = ("ahead", "leaves", "order_id", "owner", "price", "side")

    def __init__(self, order_id: int, owner: int, side: int, price: int, leaves: int, ahead: int) -> None:
        self.order_id = order_id
        self.owner = owner
        self.side = side
        self.price = price  # ticks
        self.leaves = leaves
        self.ahead = ahead


class QueueLevel:
    """Own orders at one price and what the recording told of the queue there."""

    __slots__ = ("orders", "recorded", "traded", "unexplained")

    def __init__(self, recorded: int) -> None:
        self.recorded = recorded  # what the recording showed last
        self.traded = 0  # traded since, not yet missing in what it shows
        self.unexplained = 0  # missing, and no trade has told why
        self.orders: list[Waiting] = []

    def join(self, order: Waiting) -> None:
        """Put an order at the end of the queue."""
        order.ahead = self.recorded
        self.orders.append(order)

    def trade(self, lots: int) -> list[Fill]:
        """A recorded trade at this price; returns what it fills, which the caller books with ``fill``."""
        late = min(lots, self.unexplained)
        self.unexplained -= late
        self.traded += lots - late
        fills: list[Fill] = []
        given = 0
        for order in self.orders:
            reach = lots - order.ahead - given
            order.ahead = max(0, order.ahead - lots)
            if reach > 0:
                fill = min(order.leaves, reach)
                given += fill
                fills.append((order, fill))
        return fills

    def look(self, lots: int) -> None:
        """The quantity that the recording shows now."""
        missing = self.recorded - lots
        if missing > 0:
            explained = min(missing, self.traded)
            self.traded -= explained
            self.unexplained += missing - explained
        self.recorded = lots

    def settle(self) -> None:
        """Another diff has come: what no trade explained by now were cancels, and older trades explain nothing more."""
        gone = self.unexplained
        queue = self.recorded + gone
        for order in self.orders:
            if gone:
                order.ahead -= gone * order.ahead // queue
            order.ahead = min(order.ahead, self.recorded)
        self.unexplained = self.traded = 0

    def fill(self, order: Waiting, lots: int) -> int:
        """Take ``lots`` from an order, which leaves the queue with its last one; returns what it has left."""
        order.leaves -= lots
        if order.leaves == 0:
            self.orders.remove(order)
        return order.leaves
