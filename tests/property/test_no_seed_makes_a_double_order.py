"""R14 in virtual time: the real order session and OMS against the venue's core, over a way that loses, delays and overtakes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.model.codes import Counter
from engine.runtime.clock import Clock
from engine.sim.wire.shell import VenueShell
from tests.lossy_exchange import LossyExchange, make_venue

ORDERS_SENT = 10_000
EPISODES_PER_VENUE = 8  # its history grows and slows it
ORDERS_PER_EPISODE = 40
ENDED = {"CANCELED", "EXPIRED", "REJECTED", "ABSENT", "FILLED", "REFUSED"}


def open_orders(exchange: LossyExchange, handles: range) -> None:
    """Forty orders over a minute, some of them cancelled again, each message with its own fate."""
    dice = exchange.dice
    for number, handle in enumerate(handles):
        exchange.rig.intend(order_handle=handle, price_ticks=9_900 - number, qty_lots=100)
        if dice.random() < 0.3 and number > 3:
            exchange.rig.cancel(handles[dice.randrange(number)])
        exchange.play(dice.choice((0.25, 0.5, 1.0, 2.0)))
        check_limits_hold(exchange)


def check_limits_hold(exchange: LossyExchange) -> None:
    """Whatever the engine does not know counts in full: what is open at the venue never exceeds what the gate counts."""
    assert len(exchange.venue_open()) * 100 <= exchange.rig.exposure()["working_buy_lots"]


def episode(seed: int, clock: Clock, venue: VenueShell) -> dict[str, int]:
    """One seed of the whole; how its orders ended."""
    exchange = LossyExchange(seed, clock, venue)
    exchange.play(2)
    exchange.is_lossy = False
    exchange.play(3)
    exchange.is_lossy = True
    first = (3 << 32) + 10_000 + seed * ORDERS_PER_EPISODE
    handles = range(first, first + ORDERS_PER_EPISODE)
    open_orders(exchange, handles)
    exchange.is_lossy = False
    exchange.play(75)
    states = {row["client_order_id"]: row["state"] for row in exchange.engine_rows() if row["order_handle"] in handles}
    assert all(count == 1 for count in exchange.places.values()), seed
    still_open = {name for name, state in states.items() if state not in ENDED}
    assert still_open == exchange.venue_open(), (seed, states)
    assert not {"UNKNOWN", "PENDING_NEW", "APPROVED"} & {states[name] for name in still_open}, (seed, states)
    for handle in handles:
        exchange.rig.cancel(handle)
    exchange.play(5)
    assert exchange.venue_open() == set(), seed
    counts: dict[str, int] = {}
    for state in states.values():
        counts[state] = counts.get(state, 0) + 1
    counts["sent"] = len(exchange.places)
    counts["UNKNOWN"] = exchange.rig.counters.get(int(Counter.UNKNOWN_ORDERS))
    return counts


@pytest.mark.invariant("R14")
def test_ten_thousand_orders_on_a_lossy_way_are_never_doubled_and_never_forgotten(
    tried: Callable[[str, int], None],
) -> None:
    ended: dict[str, int] = {}
    seed = 0
    while ended.get("sent", 0) < ORDERS_SENT:
        if seed % EPISODES_PER_VENUE == 0:
            clock = Clock.virtual()
            venue = make_venue(clock)
        for state, count in episode(seed, clock, venue).items():
            ended[state] = ended.get(state, 0) + count
        seed += 1
    # the way was bad enough to reach every end
    assert all(ended.get(state, 0) > 100 for state in ("NEW", "CANCELED", "REJECTED", "ABSENT", "UNKNOWN")), ended
    tried("R14", ended["sent"])
