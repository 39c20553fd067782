"""Where own orders stand in a recorded queue: the rules one by one, and the whole against a twin that forgets nothing."""

from __future__ import annotations

import random

import pytest

from engine.sim.replay.queue import QueueLevel, Waiting
from tests.reference.replay_queue import HistoryQueue


def waiting(order_id: int = 1, lots: int = 5) -> Waiting:
    return Waiting(order_id, 1, 0, 100, lots, 0)


def joined(recorded: int, lots: int = 5) -> tuple[QueueLevel, Waiting]:
    queue, order = QueueLevel(recorded), waiting(lots=lots)
    queue.join(order)
    return queue, order


def test_an_order_joins_behind_all_that_is_recorded() -> None:
    _, order = joined(40)
    assert order.ahead == 40


def test_a_trade_takes_what_is_ahead_before_it_fills() -> None:
    queue, order = joined(10)
    assert queue.trade(10) == []
    assert order.ahead == 0
    assert queue.trade(3) == [(order, 3)]


def test_one_trade_may_empty_the_queue_and_fill() -> None:
    queue, order = joined(10)
    assert queue.trade(12) == [(order, 2)]


def test_a_trades_quantity_is_given_once_however_many_orders_wait() -> None:
    queue, first = joined(4, lots=5)
    second = waiting(2, lots=5)
    queue.join(second)
    assert queue.trade(12) == [(first, 5), (second, 3)]


def test_a_decrease_that_a_trade_explains_moves_nothing_more() -> None:
    queue, order = joined(100)
    queue.trade(30)
    queue.look(70)
    queue.settle()
    assert order.ahead == 70


def test_cancels_are_spread_evenly_over_the_queue() -> None:
    queue, order = joined(100)
    queue.look(200)
    queue.settle()
    queue.look(150)
    queue.settle()
    assert order.ahead == 75


def test_an_increase_joins_behind() -> None:
    queue, order = joined(100)
    queue.look(500)
    queue.settle()
    assert order.ahead == 100


def test_a_trade_told_after_the_diff_with_its_effect_is_no_cancel() -> None:
    queue, order = joined(100)
    queue.look(300)
    queue.settle()
    queue.look(240)
    queue.trade(60)
    queue.settle()
    assert order.ahead == 40


def test_what_is_ahead_is_never_more_than_what_is_recorded() -> None:
    queue, order = joined(100)
    queue.look(0)
    queue.settle()
    assert order.ahead == 0


@pytest.mark.parametrize("seed", range(40))
def test_the_model_equals_its_slow_twin(seed: int) -> None:
    dice = random.Random(seed)
    recorded = dice.randrange(1, 60)
    queue, twin = QueueLevel(recorded), HistoryQueue(recorded)
    orders: list[Waiting] = []
    for _ in range(60):
        action = dice.random()
        if action < 0.15 and len(orders) < 5:
            order = waiting(len(orders), dice.randrange(1, 12))
            orders.append(order)
            queue.join(order)
            twin.join(order.leaves)
        elif action < 0.5:
            lots = dice.randrange(1, 20)
            fills = queue.trade(lots)
            assert [(order.order_id, qty) for order, qty in fills] == twin.trade(lots)
            for order, qty in fills:
                queue.fill(order, qty)
        elif action < 0.8:
            recorded = max(0, recorded + dice.randrange(-25, 25))
            queue.look(recorded)
            twin.look(recorded)
        else:
            queue.settle()
            twin.settle()
        for order in queue.orders:
            assert order.ahead == twin.ahead_of(order.order_id)
