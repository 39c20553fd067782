"""Shapes of the journal's files and records for cold code; the C side is ext/engine/model/records.pxd and
journal/front.h.

A test compares every size with the compiled one. `SCHEMA_HASH` stands in each segment and front: a build that reads
another hash knows that the payloads are not the ones it would decode.
"""

from __future__ import annotations

import hashlib
import struct

from engine.model.codes import RecordKind

FRONT_MAGIC = b"TWFRONT1"
SEGMENT_MAGIC = b"TWSEGMT1"
MARK_MAGIC = b"MARK"
FORMAT_VERSION = 1
RECORD_VERSION = 1
FRONT_HEADER_BYTES = 4096
SEGMENT_HEADER_BYTES = 128
RECORD_HEADER_BYTES = 80
MARK_BYTES = 64
MARK_SLOT_BYTES = 512
MARK_FILE_BYTES = 4 * MARK_SLOT_BYTES

HEADER = struct.Struct("<IIQQqqHHHHIBBHQIIIHH")
HEADER_FIELDS = (
    *("length", "crc32c", "seq", "cause_seq", "wall_ns", "mono_ns", "kind", "venue_id", "account_id", "strategy_id"),
    *("instrument_id", "position_side", "lane", "engine_id", "order_handle", "epoch"),
    *("frame_length", "frame_crc32c", "session_id", "turn"),
)
SEGMENT_HEADER = struct.Struct("<8sIIIIIIQQqQ16sQ36sI")
MARK = struct.Struct("<4sIIIQQQQQQ")
FRONT_IDENTITY = struct.Struct("<8sIIQIIQ16s16sI")
FRONT_HOT = struct.Struct("<QQQQ")
FRONT_WRITER = struct.Struct("<QQQQQQiiQ")
FRONT_HOT_OFFSET = 128
FRONT_WRITER_OFFSET = 192

_STATE = "state:H previous_state:H reason:H pad:2x detail:q"
_DEPTH = "first_update_id:Q last_update_id:Q previous_update_id:Q event_ns:q bid_count:I ask_count:I"
_TICKER = "update_id:Q event_ns:q bid_price_ticks:q bid_qty_lots:q ask_price_ticks:q ask_qty_lots:q"
_TRADE = "trade_id:Q event_ns:q trade_ns:q price_ticks:q qty_lots:q aggressor_side:B trade_class:B pad:6x"
_EXECUTION = (
    "client_order_id:24s orig_client_order_id:24s venue_order_id:q trade_id:q execution_id:q price_ticks:q qty_lots:q "
    "last_price_ticks:q last_qty_lots:q cum_qty_lots:q cum_quote_e8:q commission_e8:q event_ns:q transact_ns:q "
    "reject_code:i "
    "commission_asset_id:H exec_type:B order_state:B side:B order_type:B time_in_force:B is_maker:B "
    "is_waiting:B is_conditional:B position_side:B expiry_cause:B"
)
_REPLY = (
    "request_id:Q venue_order_id:q transact_ns:q status:i error_code:i weight_used:i orders_used_10s:i "
    "client_order_id:24s "
    "action:B order_state:B replace_part:B is_conditional:B pad:4x retry_after_ms:q"
)
_BALANCES = "event_ns:q update_ns:q count:I is_complete:I"
_COMMAND = (
    "command_id:Q uid:I command_kind:H scope_kind:B side:B price_ticks:q qty_lots:q order_type:B time_in_force:B "
    "flags:H detail_size:I"
)
_ORDER_STATE = (
    "client_order_id:24s venue_order_id:q price_ticks:q qty_lots:q cum_qty_lots:q leaves_qty_lots:q average_price_e8:q "
    "reason:H flags:H venue_code:i state:B previous_state:B side:B order_type:B time_in_force:B is_triggered:B pad:2x "
    "trigger_ticks:q"
)
_FILL = (
    "client_order_id:24s trade_id:q price_ticks:q qty_lots:q commission_e8:q position_lots:q position_cost_e8:q "
    "realised_pnl_e8:q commission_asset_id:H side:B is_maker:B is_external:B pad:3x"
)
_POSITION = "position_lots:q position_cost_e8:q realised_pnl_e8:q fees_quote_e8:q buy_lots:Q sell_lots:Q fills:Q"
_ACCOUNT = (
    "wallet_e8:q locked_e8:q unrealised_e8:q equity_e8:q initial_margin_e8:q order_margin_e8:q maintenance_e8:q "
    "available_e8:q margin_ratio_e8:q rate_e8:q funding_e8:q asset_id:H reporting_asset_id:H is_margin:B pad:3x count:I "
    "pad:4x"
)
_INTENT = (
    "action:B side:B order_type:B time_in_force:B flags:H position_side:B has_conditions:B price_ticks:q "
    "qty_lots:q trigger_ticks:q expire_ns:q "
    "target_handle:Q"
)
_PARENT = (
    "qty_lots:q filled_lots:q working_lots:q average_price_e8:q children:I reason:H kind:B state:B previous_state:B "
    "side:B pad:6x"
)
_RISK_STATE = (
    "equity_e8:q pnl_e8:q day_start_pnl_e8:q peak_pnl_e8:q drawdown_bps:q loss_streak:q cooldown_until_ns:q "
    "pause_until_ns:q price_move_bps:q volatility_bps:q window_loss_e8:q day:q reason:H scope:B trading_state:B "
    "risk_mode:B previous_mode:B latches:B breaker:B"
)
_KLINE = (
    "event_ns:q open_ns:q close_ns:q open_e8:q high_e8:q low_e8:q close_e8:q first_trade_id:q last_trade_id:q "
    "trade_count:Q volume_whole:Q quote_volume_whole:Q taker_volume_whole:Q taker_quote_volume_whole:Q "
    "volume_part_e8:I quote_volume_part_e8:I taker_volume_part_e8:I taker_quote_volume_part_e8:I "
    "interval:8s is_closed:B pad:7x"
)
_TICKERS = "count:I left_out:I"
_TICKER_ROW = (
    "symbol:32s event_ns:q open_e8:q high_e8:q low_e8:q last_e8:q volume_whole:Q quote_volume_whole:Q "
    "volume_part_e8:I quote_volume_part_e8:I instrument_id:I "
)
_RATIO = "event_ns:q ratio_e8:q long_whole:Q short_whole:Q long_part_e8:I short_part_e8:I ratio_kind:B pad:7x"
_LIQUIDATION = (
    "event_ns:q trade_ns:q price_e8:q average_price_e8:q qty_lots:q last_qty_lots:q cum_qty_lots:q side:B pad:7x"
)
_INSTRUMENT_UPDATE = (
    "tick_size_e8:q lot_size_e8:q min_qty_lots:q max_qty_lots:q min_price_ticks:q max_price_ticks:q "
    "min_notional_e8:q max_notional_e8:q is_trading:B is_grid_changed:B pad:6x"
)
# the struct of tables.pxd as it lies in memory
_INSTRUMENT_ROW = (
    "instrument_id:I venue_id:H base_asset_id:H quote_asset_id:H settle_asset_id:H kind:B inverse:B is_trading:B pad0:1x "
    "version:I pad1:4x symbol:32s tick_size_e8:q lot_size_e8:q tick_lot_value_numerator:q tick_lot_value_denominator:q "
    "min_qty_lots:q max_qty_lots:q min_price_ticks:q max_price_ticks:q min_notional_e8:q max_notional_e8:q "
    "multiplier_e8:q expiry_ns:q strike_ticks:q underlying_id:I native_order_types:I price_step_ticks:q qty_step_lots:q "
    "market_min_qty_lots:q market_max_qty_lots:q market_qty_step_lots:q max_orders:i max_conditional_orders:i "
    "max_account_conditional_orders:i max_iceberg_orders:i max_order_lists:i max_pad:i"
)
# behind an INTENT whose `has_conditions` is set
CONDITIONS = (
    "parent_handle:Q list_handle:Q display_lots:q activation_ticks:q trail_amount:q limit_offset_ticks:q trail_kind:B "
    "trigger_source:B contingency:B list_size:B list_index:B is_exit:B pad:2x"
)
LEVEL = struct.Struct("<qq")
BALANCE_ROW = struct.Struct("<H6xqq")

# The fixed part of each payload; kinds that are not named here are raw bytes or UTF-8 text throughout.
PAYLOADS: dict[RecordKind, str] = {
    RecordKind.DEPTH_DIFF: _DEPTH,
    RecordKind.DEPTH_SNAPSHOT: _DEPTH,
    RecordKind.BOOK_TICKER: _TICKER,
    RecordKind.TRADE: _TRADE,
    RecordKind.AGG_TRADE: _TRADE,
    RecordKind.MARKET_FRAME_MALFORMED: "fault:H pad:6x",
    RecordKind.OWN_FRAME_MALFORMED: "fault:H pad:6x",
    RecordKind.FEED_STATE: "session_state:B reason:B pad:6x detail:q",
    RecordKind.KLINE: _KLINE,
    RecordKind.TICKER_24H: _TICKERS,
    RecordKind.MINI_TICKER: _TICKERS,
    RecordKind.MARK_PRICE: (
        "event_ns:q mark_e8:q index_e8:q settle_e8:q average_e8:q funding_rate_e8:q next_funding_ns:q"
    ),
    RecordKind.FUNDING_RATE: "count:I pad:4x",
    RecordKind.OPEN_INTEREST: "event_ns:q open_interest_whole:Q open_interest_part_e8:I pad:4x",
    RecordKind.LONG_SHORT_RATIO: _RATIO,
    RecordKind.LIQUIDATION: _LIQUIDATION,
    RecordKind.CONTRACT_INFO: "event_ns:q delivery_ns:q onboard_ns:q status:24s contract_type:24s",
    RecordKind.INSTRUMENT_UPDATE: _INSTRUMENT_UPDATE,
    RecordKind.EXECUTION_REPORT: _EXECUTION,
    RecordKind.ORDER_STATUS: _EXECUTION,
    RecordKind.OWN_TRADE: _EXECUTION,
    RecordKind.ORDER_REPLY: _REPLY,
    RecordKind.ACCOUNT_POSITION: _BALANCES,
    RecordKind.BALANCE_UPDATE: _BALANCES,
    RecordKind.BALANCE: _BALANCES,
    RecordKind.VENUE_POSITION: ("position_lots:q entry_price_e8:q as_of_ns:q is_answer:B pad:7x isolated_wallet_e8:q"),
    RecordKind.FUNDING_PAYMENT: "amount_e8:q event_ns:q asset_id:H is_answer:B payments:B pad:4x",
    RecordKind.MARGIN_TIERS: "leverage:i is_isolated:B pad:3x count:I pad:4x",
    RecordKind.ACCOUNT: _ACCOUNT,
    RecordKind.ACCOUNT_WARNING: _STATE,
    RecordKind.TIMER: "timer_id:Q deadline_mono_ns:q timer_kind:H pad:6x data:q",
    RecordKind.COMMAND: _COMMAND,
    RecordKind.ASSET: "asset_id:H pad:6x",
    RecordKind.HANDLES: "first_handle:Q count:I pad:4x",
    RecordKind.STATE_HASH: "count:I pad:4x",
    RecordKind.INSTRUMENT_ROW: _INSTRUMENT_ROW,
    RecordKind.INTENT: _INTENT,
    RecordKind.VERDICT: "reason:H approved:B scope:B pad:4x nonce:Q value:q limit_value:q",
    RecordKind.ORDER_BYTES: "request_id:Q action:B pad:3x byte_count:I",
    RecordKind.ORDER_STATE: _ORDER_STATE,
    RecordKind.HELD_ORDER: _ORDER_STATE,
    RecordKind.PARENT_STATE: _PARENT,
    RecordKind.FILL: _FILL,
    RecordKind.POSITION: _POSITION,
    RecordKind.TRADING_STATE: _STATE,
    RecordKind.STRATEGY_STATE: _STATE,
    RecordKind.BOOK_STATE: _STATE,
    RecordKind.SESSION_STATE: _STATE,
    RecordKind.RECONCILE_BEGIN: _STATE,
    RecordKind.RECONCILE_END: _STATE,
    RecordKind.ALARM: _STATE,
    RecordKind.VENUE_HEALTH: _STATE,
    RecordKind.RISK_STATE: _RISK_STATE,
}

# Rows that follow the fixed part as often as its `count` says.
ROWS: dict[RecordKind, str] = {
    RecordKind.MINI_TICKER: _TICKER_ROW + "pad:4x",
    RecordKind.TICKER_24H: _TICKER_ROW
    + "last_qty_part_e8:I change_e8:q change_percent_e8:q average_e8:q open_ns:q close_ns:q first_trade_id:q "
    "last_trade_id:q trade_count:Q last_qty_whole:Q",
    RecordKind.FUNDING_RATE: "funding_ns:q rate_e8:q mark_e8:q",
    RecordKind.STATE_HASH: "section:H line:H crc32c:I byte_count:Q",
    RecordKind.MARGIN_TIERS: "floor_e8:q cap_e8:q ratio_e8:q cum_e8:q leverage:i pad:4x",
    RecordKind.ACCOUNT: (
        "instrument_id:I position_side:B is_isolated:B pad:2x leverage:i pad:4x position_lots:q mark_e8:q "
        "unrealised_e8:q initial_margin_e8:q maintenance_e8:q liquidation_e8:q funding_due_e8:q"
    ),
}

# Kinds behind whose fixed part something stands: levels, rows, bytes, a text. Their fixed part never changes (what
# stands behind it would move); what is to be told more of them is told by a new kind.
TAILED = frozenset(ROWS) | {
    RecordKind.DEPTH_DIFF,
    RecordKind.DEPTH_SNAPSHOT,
    RecordKind.MARKET_FRAME_MALFORMED,
    RecordKind.OWN_FRAME_MALFORMED,
    RecordKind.FEED_STATE,
    RecordKind.INSTRUMENT_UPDATE,
    RecordKind.ORDER_REPLY,
    RecordKind.ACCOUNT_POSITION,
    RecordKind.BALANCE_UPDATE,
    RecordKind.BALANCE,
    RecordKind.ACCOUNT_WARNING,
    RecordKind.COMMAND,
    RecordKind.ASSET,
    RecordKind.INTENT,
    RecordKind.ORDER_BYTES,
    RecordKind.PARENT_STATE,
    RecordKind.TRADING_STATE,
    RecordKind.STRATEGY_STATE,
    RecordKind.BOOK_STATE,
    RecordKind.SESSION_STATE,
    RecordKind.RECONCILE_BEGIN,
    RecordKind.RECONCILE_END,
    RecordKind.ALARM,
    RecordKind.VENUE_HEALTH,
}


def payload_format(kind: RecordKind) -> tuple[struct.Struct, list[str]]:
    """The struct of a kind's fixed part and the names of its fields, in order."""
    return _format(PAYLOADS[kind])


def row_format(kind: RecordKind) -> tuple[struct.Struct, list[str]]:
    """The same of one of the rows behind the fixed part."""
    return _format(ROWS[kind])


def conditions_format() -> tuple[struct.Struct, list[str]]:
    """The same of what stands behind an INTENT whose `has_conditions` is set."""
    return _format(CONDITIONS)


def _format(text: str) -> tuple[struct.Struct, list[str]]:
    fields = [part.split(":") for part in text.split()]
    codes = "".join(code for _, code in fields)
    return struct.Struct("<" + codes), [name for name, code in fields if not code.endswith("x")]


def schema_text() -> str:
    """The whole layout of records as text: header, numbers of the kinds, fields. Two builds with one text read one
    another.
    """
    lines = [HEADER.format, *(f"{kind.name}={kind.value}" for kind in RecordKind)]
    lines += [f"{kind.name}:{text}" for kind, text in sorted(PAYLOADS.items())]
    lines.append(f"conditions:{CONDITIONS}")
    lines += [f"{kind.name} row:{text}" for kind, text in sorted(ROWS.items())]
    return "\n".join(lines)


def hash_of(text: str) -> int:
    """What a segment's header says of the layout that `text` describes."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


SCHEMA_HASH = hash_of(schema_text())
