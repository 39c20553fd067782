"""Orders that the venue itself places for an account: liquidation, auto-deleveraging, settlement."""

from __future__ import annotations

from engine.sim.events import Trade
from engine.sim.floor import Listing
from engine.sim.usdm.holdings import Holding, UsdmBook, Working
from engine.sim.usdm.records import Side, UsdmOrder


def forced_order(
    book: UsdmBook, listing: Listing, holding: Holding, qty_e8: int, price_e8: int, client_id: str, now_ns: int
) -> Working:
    """A reduce-only IOC limit order that closes ``qty_e8`` of a position; it pays no commission."""
    side: Side = "SELL" if holding.qty_e8 > 0 else "BUY"
    order = UsdmOrder(
        account_id=book.account_id,
        symbol=holding.symbol,
        order_id=0,
        client_order_id=client_id,
        side=side,
        position_side=holding.position_side,
        type="LIMIT",
        orig_type="LIMIT",
        time_in_force="IOC",
        price_e8=price_e8,
        qty_e8=qty_e8,
        status="NEW",
        reduce_only=True,
        close_position=False,
        stp_mode="EXPIRE_MAKER",
        created_ns=now_ns,
        updated_ns=now_ns,
    )
    return Working(order, listing.index, qty_e8 // listing.step_e8)


def handed_over(symbol: str, price_e8: int, qty_e8: int, now_ns: int) -> Trade:
    """A fill that is no trade of the book: it has no public id."""
    return Trade(symbol, 0, price_e8, qty_e8, now_ns, False, 0, 0)
