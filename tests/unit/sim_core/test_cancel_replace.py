"""Cancel-replace: both halves, their failures, and what the user stream tells of them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sim.api import CancelReplaceResult, CancelResult, OrderRequest, OrderResult, Refusal
from engine.sim.core import VenueCore
from engine.sim.reject import VenueReject
from tests.unit.sim_core.stage import ANNE, START_NS, empty_venue, kinds, limit, reports

TOO_DEAR = limit("BUY", "99.00", "102")


def replace(venue: VenueCore, request: OrderRequest, mode: str, **changes: Any) -> CancelReplaceResult:
    return venue.cancel_replace(ANNE, request, START_NS, mode=mode, **changes)


def test_success_cancels_first_and_uses_the_freed_funds() -> None:
    venue = empty_venue()
    old = venue.place(ANNE, limit("BUY", "99.00", "100"), START_NS).order
    venue.drain()
    result = replace(venue, limit("BUY", "99.10", "100"), "STOP_ON_FAILURE", cancel_order_id=old.order_id)
    assert isinstance(result.cancel, CancelResult)
    assert isinstance(result.new, OrderResult)
    assert (result.cancel_outcome, result.new_outcome, result.error) == ("SUCCESS", "SUCCESS", None)
    assert kinds(venue.drain(), ANNE) == [("CANCELED", "CANCELED"), ("NEW", "NEW")]
    assert [order.order_id for order in venue.open_orders(ANNE)] == [result.new.order.order_id]


def test_a_failed_cancel_stops_the_new_order() -> None:
    venue = empty_venue()
    result = replace(venue, limit("BUY", "99.10", "1"), "STOP_ON_FAILURE", cancel_orig_client_order_id="none")
    assert (result.cancel_outcome, result.new_outcome, result.new) == ("FAILURE", "NOT_ATTEMPTED", None)
    assert result.cancel == Refusal(-2011, "Unknown order sent.")
    assert result.error == Refusal(-2022, "Order cancel-replace failed.")
    assert venue.open_orders(ANNE) == []


def test_a_failed_cancel_may_be_allowed() -> None:
    venue = empty_venue()
    result = replace(venue, limit("BUY", "99.10", "1"), "ALLOW_FAILURE", cancel_order_id=12345)
    assert (result.cancel_outcome, result.new_outcome) == ("FAILURE", "SUCCESS")
    assert result.error == Refusal(-2021, "Order cancel-replace partially failed.")
    assert len(venue.open_orders(ANNE)) == 1


def test_a_new_order_that_fails_after_the_cancel_is_reported_as_rejected() -> None:
    venue = empty_venue()
    old = venue.place(ANNE, limit("BUY", "99.00", "1"), START_NS).order
    venue.drain()
    result = replace(venue, TOO_DEAR, "STOP_ON_FAILURE", cancel_order_id=old.order_id)
    assert (result.cancel_outcome, result.new_outcome) == ("SUCCESS", "FAILURE")
    assert isinstance(result.new, Refusal)
    assert result.new.code == -2010
    assert result.error is not None
    assert result.error.code == -2021
    canceled, rejected = reports(venue.drain(), ANNE)
    assert (canceled.execution_type, rejected.execution_type, rejected.status) == ("CANCELED", "REJECTED", "REJECTED")
    assert rejected.reject_reason == "INSUFFICIENT_BALANCES"


def test_both_may_fail() -> None:
    venue = empty_venue()
    result = replace(venue, TOO_DEAR, "ALLOW_FAILURE", cancel_order_id=12345)
    assert (result.cancel_outcome, result.new_outcome) == ("FAILURE", "FAILURE")
    assert result.error is not None
    assert result.error.code == -2022


def test_a_filtered_new_order_leaves_the_old_one_alone() -> None:
    venue = empty_venue()
    old = venue.place(ANNE, limit("BUY", "99.00", "1"), START_NS).order
    with pytest.raises(VenueReject, match="Filter failure: PRICE_FILTER"):
        replace(venue, limit("BUY", "99.001", "1"), "STOP_ON_FAILURE", cancel_order_id=old.order_id)
    with pytest.raises(VenueReject) as nameless:
        replace(venue, limit("BUY", "99.01", "1"), "STOP_ON_FAILURE")
    with pytest.raises(VenueReject) as strange:
        replace(venue, limit("BUY", "99.01", "1"), "PERHAPS", cancel_order_id=old.order_id)
    assert (nameless.value.code, strange.value.code) == (-1102, -1130)
    assert [order.status for order in venue.open_orders(ANNE)] == ["NEW"]
