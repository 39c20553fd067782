"""A strategy's table of its own orders against a dict: found, dropped and walked alike, whatever stands close together."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from engine.strategy.own_orders import OwnOrders, working_order
from engine.strategy.views import WorkingOrder

# counters of one epoch, as handles are, so that many are neighbours; and some of another
HANDLES = st.integers(1, 300).map(lambda counter: (1 + counter % 2) << 32 | counter)
OPERATIONS = st.lists(st.tuples(st.sampled_from(["add", "add", "remove", "get"]), HANDLES), max_size=400)


@given(OPERATIONS)
def test_own_orders_are_found_and_walked_as_in_a_dict(operations: list[tuple[str, int]]) -> None:
    table, slow = OwnOrders(), dict[int, WorkingOrder]()
    for what, handle in operations:
        if what == "add" and handle not in slow:
            slow[handle] = working_order(handle)
            table.add(slow[handle])
        elif what == "remove":
            assert table.remove(handle) == (slow.pop(handle, None) is not None)
        assert table.get(handle) is slow.get(handle)
    assert table.all() == list(slow.values())
    assert len(table) == table.count == len(slow)


def test_the_table_holds_one_reference_to_each_order_and_gives_it_back() -> None:
    order = working_order(7)
    alone = sys.getrefcount(order)
    for drop in (True, False):
        table = OwnOrders()
        table.add(order)
        assert sys.getrefcount(order) == alone + 1
        if drop:
            table.remove(7)
        del table
        assert sys.getrefcount(order) == alone
