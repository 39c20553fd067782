"""One order list at work: who leads, who forms the pair, what it tells of itself."""

from __future__ import annotations

from engine.sim.accounts import Working
from engine.sim.api import ContingencyType, ListedOrder, ListOrderStatus, ListStatusType, OrderList


class ListWork:
    """An order list. ``leader`` is the working order of an OTO; ``pair`` are the two legs of an OCO or the one pending
    order; ``base`` is the leg of a pair that holds the lock which both share, ``orders`` all in the list's order.

    ``is_open`` after EXEC_STARTED was told, ``is_decided`` once one leg of the pair ends the other, ``is_ending`` while
    a cancel takes its orders out one by one.
    ``sized_by_fill``: an OPO, whose pending orders get what the leader brings in.
    """

    __slots__ = (
        *(
            "account_id",
            "base",
            "client_id",
            "contingency",
            "created_ns",
            "is_decided",
            "is_ending",
            "is_open",
            "leader",
            "list_id",
        ),
        *(
            "leader",
            "list_id",
            "order_status",
            "orders",
            "pair",
            "sized_by_fill",
            "status_type",
            "symbol",
            "transact_ns",
        ),
    )

    def __init__(
        self,
        list_id: int,
        client_id: str,
        orders: tuple[Working, ...],
        leader: Working | None,
        sized_by_fill: bool,
        now_ns: int,
    ) -> None:
        first = orders[0].order
        self.account_id, self.symbol = first.account_id, first.symbol
        self.list_id, self.client_id = list_id, client_id
        self.contingency: ContingencyType = "OCO" if leader is None else "OTO"
        self.orders = orders
        self.leader = leader
        self.pair = tuple(working for working in orders if working is not leader)
        limits = [working for working in self.pair if working.order.type == "LIMIT_MAKER"]
        self.base = limits[0] if limits else self.pair[0]
        self.sized_by_fill = sized_by_fill
        self.status_type: ListStatusType = "EXEC_STARTED"
        self.order_status: ListOrderStatus = "EXECUTING"
        self.created_ns = self.transact_ns = now_ns
        self.is_open = False
        self.is_decided = False
        self.is_ending = False
        for working in orders:
            working.group = self
            working.order.order_list_id = list_id

    def sibling(self, working: Working) -> Working | None:
        """The other leg of a pair."""
        if len(self.pair) < 2 or working is self.leader:
            return None
        return self.pair[1] if working is self.pair[0] else self.pair[0]

    def view(self, status_type: ListStatusType | None = None) -> OrderList:
        """The list as an answer."""
        return OrderList(
            account_id=self.account_id,
            order_list_id=self.list_id,
            contingency_type=self.contingency,
            list_status_type=status_type or self.status_type,
            list_order_status=self.order_status,
            list_client_order_id=self.client_id,
            transact_ns=self.transact_ns,
            symbol=self.symbol,
            orders=tuple(
                ListedOrder(working.order.symbol, working.order.order_id, working.order.client_order_id)
                for working in self.orders
            ),
        )
