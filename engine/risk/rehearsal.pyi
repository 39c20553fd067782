from collections.abc import Sequence

from engine.journal.journal import Journal
from engine.model.approval import ApprovalRegister
from engine.model.bookreader import BookReader
from engine.model.tables import Tables
from engine.risk.gate import RiskGate
from engine.runtime.ring import Ring

class FixedBook(BookReader):
    def set_side(self, side: int, levels: Sequence[tuple[int, int]]) -> None: ...

def walk(reader: BookReader, instrument_id: int, side: int, qty_lots: int) -> tuple[int, int, int]: ...
def set_market(
    tables: Tables,
    instrument_id: int,
    *,
    book_state: int,
    bid_ticks: int,
    ask_ticks: int,
    bid_lots: int = ...,
    ask_lots: int = ...,
    last_ticks: int = ...,
    last_mono_ns: int = ...,
    mark_e8: int = ...,
    index_e8: int = ...,
) -> None: ...
def offer_record(
    journal: Journal,
    ring: Ring,
    kind: int,
    payload: bytes,
    *,
    venue_id: int = ...,
    account_id: int = ...,
    strategy_id: int = ...,
    instrument_id: int = ...,
    order_handle: int = ...,
) -> bool: ...
def set_exposure(
    tables: Tables,
    instrument_id: int,
    *,
    position_lots: int = ...,
    working_buy_lots: int = ...,
    working_sell_lots: int = ...,
    open_orders: int = ...,
    position_side: int = ...,
) -> None: ...
def set_strategy(tables: Tables, strategy_id: int, *, enabled: bool = ..., paused: bool = ...) -> None: ...
def set_trading(tables: Tables, instrument_id: int, is_trading: bool) -> None: ...
def offer_intent(
    journal: Journal,
    ring: Ring,
    *,
    order_handle: int,
    instrument_id: int,
    action: int = ...,
    side: int = ...,
    price_ticks: int = ...,
    qty_lots: int = ...,
    order_type: int = ...,
    time_in_force: int = ...,
    flags: int = ...,
    target_handle: int = ...,
    strategy_id: int = ...,
    account_id: int = ...,
    venue_id: int = ...,
    position_side: int = ...,
    trigger_ticks: int = ...,
    expire_ns: int = ...,
    **conditions: int,
) -> int: ...
def decide(
    gate: RiskGate,
    *,
    order_handle: int,
    instrument_id: int,
    side: int,
    price_ticks: int,
    qty_lots: int,
    order_type: int = ...,
    flags: int = ...,
    strategy_id: int = ...,
) -> int: ...
def answer(gate: RiskGate) -> int: ...
def empty(ring: Ring) -> int: ...
def end_order(gate: RiskGate, order_handle: int, filled_lots: int = ...) -> None: ...
def spend(register: ApprovalRegister, slot: int, nonce: int, order_handle: int) -> bool: ...
def time_gate(
    gate: RiskGate,
    *,
    order_handle: int,
    instrument_id: int,
    side: int,
    price_ticks: int,
    qty_lots: int,
    order_type: int = ...,
    time_in_force: int = ...,
    strategy_id: int = ...,
    rounds: int = ...,
    intents: int = ...,
) -> list[float]: ...
