"""The end of a contract: orders expire, positions close at the mark price, no money is lost."""

from __future__ import annotations

from engine.sim.usdm.api import ContractInfo
from tests.unit.usdm_core.stage import ANNE, BOB, SYMBOL, Stage, algo_states, e8, kinds


def test_settling_expires_orders_and_closes_positions_at_the_mark_price() -> None:
    stage = Stage(wallet="10000", symbol={"multiplier_up": "3"})
    bought = stage.limit(3, "BUY", "250.0", "1", time_in_force="IOC")  # of the generated market
    assert bought.executed_e8 > 0
    stage.trade(ANNE, BOB, "100.0", "10")
    order = stage.limit(ANNE, "BUY", "90.0", "1")
    stage.algo(ANNE, "SELL", "STOP_MARKET", "80.0", quantity="1")
    stage.mark("103.07")
    wallets = stage.wallet(ANNE), stage.wallet(BOB)
    stage.core.drain()
    stage.core.set_status(SYMBOL, "SETTLING", stage.now_ns)
    events = stage.core.drain()
    assert [event.status for event in events if isinstance(event, ContractInfo)] == ["SETTLING"]
    assert (stage.qty(ANNE), stage.qty(BOB)) == (0, 0)
    assert (stage.wallet(ANNE), stage.wallet(BOB)) == (wallets[0] + e8("30"), wallets[1] - e8("30"))
    assert stage.core.order_status(ANNE, SYMBOL, order_id=order.order_id).expiry_reason == "7"
    assert algo_states(events, ANNE) == ["EXPIRED"]
    assert kinds(events, BOB)[-1][0] == "CALCULATED"
    assert stage.core.user_trades(ANNE, SYMBOL)[-1].price_e8 == e8("103.0")
    assert stage.core.all_orders(ANNE, SYMBOL)[-1].client_order_id.startswith("settlement_autoclose-")
    ledger = stage.core.ledger()
    wallets_e8 = sum(stage.wallet(account) for account in (1, 2, 3, 4))
    held_e8 = wallets_e8 + ledger.fees_e8 + ledger.insurance_e8 - ledger.street_paid_e8
    assert sum(stage.core.account(account).unrealized_e8 for account in (1, 2, 3, 4)) == 0
    assert held_e8 == ledger.deposits_e8 + ledger.insurance_start_e8
    stage.refuses(-1122, stage.limit, ANNE, "BUY", "90.0", "1")
