"""Weights, order counts and bans."""

from __future__ import annotations

import pytest

from engine.sim.reject import VenueReject
from engine.sim.wire.errors import ApiError
from engine.sim.wire.limits import Limits, LimitsConfig
from tests.venue_harness import FAR_BUY, RunningVenue, make_shell, play

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NOON = 1_763_640_000 * SECOND - 1_763_640_000 * SECOND % (86_400 * SECOND) + 43_200 * SECOND


def test_a_weight_window_begins_at_the_full_minute() -> None:
    address = Limits(LimitsConfig(weight_minute=10)).address("a")
    address.charge(8, NOON + 59 * SECOND)
    address.charge(8, NOON + MINUTE)
    assert address.weight.count == 8


def test_over_the_weight_comes_429_with_its_end_then_418() -> None:
    address = Limits(LimitsConfig(weight_minute=10, bans_after=2, ban_s=90)).address("a")
    address.charge(10, NOON + 1)
    seen = []
    for second in (10, 11, 12, 13):
        with pytest.raises(ApiError) as refusal:
            address.charge(1, NOON + second * SECOND)
        seen.append((refusal.value.status, refusal.value.retry_at_ms))
    minute_end_ms, ban_end_ms = (NOON + MINUTE) // 1_000_000, (NOON + 102 * SECOND) // 1_000_000
    assert seen == [(429, minute_end_ms), (429, minute_end_ms), (418, ban_end_ms), (418, ban_end_ms)]
    with pytest.raises(ApiError, match="IP banned until"):
        address.charge(1, NOON + 101 * SECOND)
    address.charge(1, NOON + 102 * SECOND)


def test_order_counts_rise_by_order_and_fall_by_first_fill() -> None:
    orders = Limits(LimitsConfig(orders_10s=2, orders_day=3)).account(1)
    for _ in range(2):
        assert orders.exceeded(NOON) is None
        orders.count(NOON)
    refusal = orders.exceeded(NOON + 1)
    assert isinstance(refusal, VenueReject)
    assert refusal.msg == "Too many new orders; current limit is 2 orders per 10 SECOND."
    orders.first_fill(NOON)
    assert orders.exceeded(NOON) is None
    assert orders.short.count == 1
    orders.roll(NOON + 10 * SECOND)
    assert (orders.short.count, orders.day.count) == (0, 1)


def test_headers_tell_the_weight_and_a_good_order_is_free() -> None:
    async def scenario(venue: RunningVenue) -> None:
        _, _, first = await venue.raw("GET", "depth", "symbol=BTCUSDT", key=None)
        assert first["x-mbx-used-weight-1m"] == "5"
        status, _, placed = await venue.signed("POST", "order", FAR_BUY)
        assert status == 200
        assert placed["x-mbx-used-weight-1m"] == "5"
        assert (placed["x-mbx-order-count-10s"], placed["x-mbx-order-count-1d"]) == ("1", "1")
        status, _, failed = await venue.signed("POST", "order", {**FAR_BUY, "price": "60000.001"})
        assert status == 400
        assert failed["x-mbx-used-weight-1m"] == "6"
        assert "x-mbx-order-count-10s" not in failed
        _, counts, _ = await venue.signed("GET", "rateLimit/order")
        assert [row["count"] for row in counts] == [1, 1]

    play(scenario)


@pytest.mark.invariant("R17")
def test_429_carries_retry_after_and_insisting_leads_to_418() -> None:
    async def scenario(venue: RunningVenue) -> None:
        statuses = []
        for _ in range(6):
            status, body, headers = await venue.raw("GET", "exchangeInfo", "", key=None)
            statuses.append(status)
            if status != 200:
                assert body["code"] == -1003
                assert 0 <= int(headers["retry-after"]) <= 120
        assert statuses == [200, 200, 429, 429, 418, 418]
        status, body, _ = await venue.raw("GET", "ping", "", key=None)
        assert (status, body["code"]) == (418, -1003)

    play(scenario, make_shell(limits=LimitsConfig(weight_minute=40, bans_after=2)))


def test_too_many_orders_are_refused_by_count() -> None:
    async def scenario(venue: RunningVenue) -> None:
        for _ in range(2):
            assert (await venue.signed("POST", "order", FAR_BUY))[0] == 200
        status, body, headers = await venue.signed("POST", "order", FAR_BUY)
        assert status == 429
        assert body == {"code": -1015, "msg": "Too many new orders; current limit is 2 orders per 1 DAY."}
        assert int(headers["retry-after"]) > 0

    play(scenario, make_shell(limits=LimitsConfig(orders_day=2)))
