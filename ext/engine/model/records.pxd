"""Layout of journal records: an 80-byte header, then the payload of its kind. Little-endian, 8-byte aligned.

`length` counts header and payload and is a multiple of 8. `crc32c` covers bytes 8..length. Prices are ticks, quantities
lots, times nanoseconds, amounts of money 10^-8 of the asset named beside them (int64 on the wire, 128 bit in sums).
Change of a layout = change of RECORD_VERSION.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    RECORD_VERSION = 1
    CLIENT_ORDER_ID_SIZE = 24

cdef struct RecordHeader:
    uint32_t length
    uint32_t crc32c
    uint64_t seq
    uint64_t cause_seq
    int64_t wall_ns
    int64_t mono_ns
    uint16_t kind
    uint16_t venue_id
    uint16_t account_id
    uint16_t strategy_id
    uint32_t instrument_id
    uint8_t position_side
    uint8_t lane
    uint16_t engine_id
    uint64_t order_handle
    uint32_t epoch
    uint32_t frame_length
    uint32_t frame_crc32c
    uint16_t session_id
    uint16_t turn              # of an input: how it was taken (engine/journal/turn.py); 0 in other records

cdef struct RefusedFramePayload:
    # of MARKET_FRAME_MALFORMED and OWN_FRAME_MALFORMED; the frame's bytes follow
    uint16_t fault             # FrameFault
    uint16_t pad[3]

cdef struct Level:
    int64_t price_ticks
    int64_t qty_lots

cdef struct DepthPayload:
    uint64_t first_update_id
    uint64_t last_update_id
    uint64_t previous_update_id
    int64_t event_ns
    uint32_t bid_count
    uint32_t ask_count
    # Level bids[bid_count], Level asks[ask_count] follow

cdef struct TickerPayload:
    uint64_t update_id
    int64_t event_ns
    int64_t bid_price_ticks
    int64_t bid_qty_lots
    int64_t ask_price_ticks
    int64_t ask_qty_lots

cdef struct TradePayload:
    uint64_t trade_id
    int64_t event_ns
    int64_t trade_ns
    int64_t price_ticks
    int64_t qty_lots
    uint8_t aggressor_side
    uint8_t trade_class
    uint8_t pad[6]

cdef struct FeedStatePayload:
    uint8_t session_state
    uint8_t reason
    uint8_t pad[6]
    int64_t detail
    # reason text (UTF-8) follows up to the record's end, zero padded

# Market statistics: prices in 10^-8 (a day's high may lie off today's tick); volumes whole units and 10^-8 beside one another,
# since a day's volume of a cheap coin in 10^-8 does not fit 64 bits. Symbols and words are the venue's own, zero padded.

cdef struct KlinePayload:
    int64_t event_ns
    int64_t open_ns
    int64_t close_ns             # last moment of the candle, as the venue gives it
    int64_t open_e8
    int64_t high_e8
    int64_t low_e8
    int64_t close_e8
    int64_t first_trade_id       # -1: no trade yet
    int64_t last_trade_id
    uint64_t trade_count
    uint64_t volume_whole
    uint64_t quote_volume_whole
    uint64_t taker_volume_whole
    uint64_t taker_quote_volume_whole
    uint32_t volume_part_e8
    uint32_t quote_volume_part_e8
    uint32_t taker_volume_part_e8
    uint32_t taker_quote_volume_part_e8
    char interval[8]
    uint8_t is_closed
    uint8_t pad[7]

cdef struct TickersPayload:
    uint32_t count
    uint32_t left_out            # rows of another market in an array of both
    # MiniTickerRow or Ticker24hRow rows[count] follow; an array of all symbols names no instrument in the header

cdef struct MiniTickerRow:
    char symbol[32]
    int64_t event_ns
    int64_t open_e8
    int64_t high_e8
    int64_t low_e8
    int64_t last_e8
    uint64_t volume_whole
    uint64_t quote_volume_whole
    uint32_t volume_part_e8
    uint32_t quote_volume_part_e8
    uint32_t instrument_id       # 0: not configured
    uint32_t pad

cdef struct Ticker24hRow:
    # begins as a MiniTickerRow
    char symbol[32]
    int64_t event_ns
    int64_t open_e8
    int64_t high_e8
    int64_t low_e8
    int64_t last_e8
    uint64_t volume_whole
    uint64_t quote_volume_whole
    uint32_t volume_part_e8
    uint32_t quote_volume_part_e8
    uint32_t instrument_id
    uint32_t last_qty_part_e8
    int64_t change_e8
    int64_t change_percent_e8
    int64_t average_e8           # weighted by volume
    int64_t open_ns
    int64_t close_ns
    int64_t first_trade_id
    int64_t last_trade_id
    uint64_t trade_count
    uint64_t last_qty_whole

cdef struct MarkPricePayload:
    int64_t event_ns
    int64_t mark_e8
    int64_t index_e8
    int64_t settle_e8            # estimated settlement price; only of use in the hour before a delivery
    int64_t average_e8           # moving average of the mark price; 0: the venue gave none
    int64_t funding_rate_e8
    int64_t next_funding_ns

cdef struct FundingRatePayload:
    uint32_t count
    uint32_t pad
    # FundingRow rows[count] follow, oldest first

cdef struct FundingRow:
    int64_t funding_ns
    int64_t rate_e8
    int64_t mark_e8              # 0: the venue gave none

cdef struct OpenInterestPayload:
    int64_t event_ns
    uint64_t open_interest_whole
    uint32_t open_interest_part_e8
    uint32_t pad

cdef struct LongShortRatioPayload:
    int64_t event_ns
    int64_t ratio_e8
    uint64_t long_whole          # share of accounts or positions, or what takers bought and sold
    uint64_t short_whole
    uint32_t long_part_e8
    uint32_t short_part_e8
    uint8_t ratio_kind
    uint8_t pad[7]

cdef struct LiquidationPayload:
    int64_t event_ns
    int64_t trade_ns
    int64_t price_e8
    int64_t average_price_e8
    int64_t qty_lots
    int64_t last_qty_lots
    int64_t cum_qty_lots
    uint8_t side
    uint8_t pad[7]

cdef struct ContractInfoPayload:
    int64_t event_ns
    int64_t delivery_ns
    int64_t onboard_ns
    char status[24]
    char contract_type[24]

cdef struct InstrumentUpdatePayload:
    int64_t tick_size_e8
    int64_t lot_size_e8
    int64_t min_qty_lots
    int64_t max_qty_lots
    int64_t min_price_ticks
    int64_t max_price_ticks
    int64_t min_notional_e8
    int64_t max_notional_e8
    uint8_t is_trading
    uint8_t is_grid_changed      # tick or lot are others than at the start: not tradable until a restart
    uint8_t pad[6]
    # the venue's word for the status (UTF-8) follows up to the record's end, zero padded

cdef struct ExecutionPayload:
    char client_order_id[24]
    char orig_client_order_id[24]
    int64_t venue_order_id
    int64_t trade_id
    int64_t execution_id
    int64_t price_ticks
    int64_t qty_lots
    int64_t last_price_ticks
    int64_t last_qty_lots
    int64_t cum_qty_lots
    int64_t cum_quote_e8
    int64_t commission_e8
    int64_t event_ns
    int64_t transact_ns
    int32_t reject_code
    uint16_t commission_asset_id
    uint8_t exec_type
    uint8_t order_state
    uint8_t side
    uint8_t order_type
    uint8_t time_in_force
    uint8_t is_maker
    uint8_t is_waiting         # not in the book: its price has not come, or its list has not come to it
    uint8_t is_conditional     # told by a service for conditional orders: venue_order_id is that service's number
    uint8_t position_side
    uint8_t expiry_cause       # ExpiryCause

cdef struct OrderReplyPayload:
    # answer to a request we sent: status 200 or an error code; request_id is the id we sent
    uint64_t request_id
    int64_t venue_order_id
    int64_t transact_ns
    int32_t status
    int32_t error_code
    int32_t weight_used
    int32_t orders_used_10s
    char client_order_id[24]
    uint8_t action
    uint8_t order_state
    uint8_t replace_part      # ReplacePart: how far a replace of two requests has come
    uint8_t is_conditional    # venue_order_id is a number of the service for conditional orders
    uint8_t pad[4]
    int64_t retry_after_ms
    # error text (UTF-8) follows up to the record's end, zero padded

cdef struct BalanceRow:
    uint16_t asset_id
    uint8_t pad[6]
    int64_t free_e8
    int64_t locked_e8

cdef struct BalancesPayload:
    int64_t event_ns
    int64_t update_ns
    uint32_t count
    uint32_t is_complete
    # BalanceRow rows[count] follow; is_complete: assets not named are zero

cdef enum ReplacePart:
    REPLACE_WHOLE = 0         # one request does both (spot); no replace
    REPLACE_NOT_BEGUN = 1     # the old order was not cancelled, so the new one was not sent
    REPLACE_OLD_GONE = 2      # the old order was cancelled; the answer is the new one's

cdef struct VenuePositionPayload:
    # a futures position as the venue tells it; instrument_id and position_side stand in the header
    int64_t position_lots     # signed
    int64_t entry_price_e8
    int64_t as_of_ns          # venue time from which on the word holds at least
    uint8_t is_answer         # asked for by a reconciliation; else told by the stream
    uint8_t pad[7]
    int64_t isolated_wallet_e8

cdef struct FundingPaymentPayload:
    # paid (negative) or received; instrument_id stands in the header, 0 where the venue does not say
    int64_t amount_e8
    int64_t event_ns
    uint16_t asset_id
    uint8_t is_answer         # asked for by a reconciliation: named by the income list; else told by the stream
    uint8_t payments          # of an answer: how many of this amount the settlement of this instrument made
    uint8_t pad[4]

cdef struct MarginTiersPayload:
    # how an account stands in one contract, as the venue told it at the start; instrument_id stands in the header
    int32_t leverage
    uint8_t is_isolated
    uint8_t pad0[3]
    uint32_t count
    uint32_t pad1
    # MarginTierRow rows[count] follow, from the smallest notional up

cdef struct MarginTierRow:
    int64_t floor_e8
    int64_t cap_e8
    int64_t ratio_e8          # maintenance margin ratio: 0.4 % is 400000
    int64_t cum_e8            # maintenance margin = notional * ratio - cum
    int32_t leverage          # the highest in this tier
    uint32_t pad

cdef struct AccountPayload:
    # one asset of one account: all money in 10^-8 of the asset, but the rate
    int64_t wallet_e8         # spot: free + locked
    int64_t locked_e8
    int64_t unrealised_e8     # of the positions below
    int64_t equity_e8         # margin: wallet + unrealised; spot: wallet
    int64_t initial_margin_e8 # of positions and orders
    int64_t order_margin_e8
    int64_t maintenance_e8
    int64_t available_e8
    int64_t margin_ratio_e8   # maintenance / margin balance of what is crossed; 10^8 = liquidation
    int64_t rate_e8           # value of one unit in the reporting currency; 0 = not known
    int64_t funding_e8        # paid (negative) and received so far
    uint16_t asset_id
    uint16_t reporting_asset_id
    uint8_t is_margin
    uint8_t pad[3]
    uint32_t count
    uint32_t pad1
    # AccountPositionRow rows[count] follow: positions settled in the asset

cdef struct AccountPositionRow:
    uint32_t instrument_id
    uint8_t position_side
    uint8_t is_isolated
    uint8_t pad[2]
    int32_t leverage
    uint32_t pad1
    int64_t position_lots
    int64_t mark_e8           # spot: the middle of the book
    int64_t unrealised_e8
    int64_t initial_margin_e8
    int64_t maintenance_e8
    int64_t liquidation_e8    # price; 0 = none
    int64_t funding_due_e8    # what the next settlement would pay at the present mark and rate

cdef struct AssetPayload:
    # ASSET: a line's asset is met for the first time; the line stands in the header. Before the first record that uses the number
    uint16_t asset_id
    uint8_t pad[6]
    # the asset's name (UTF-8) follows up to the record's end, zero padded

cdef struct HandlesPayload:
    # HANDLES: order handles taken out of the core's counter for an operator, who writes them into commands to come
    uint64_t first_handle      # set by the sequencer at the commit
    uint32_t count
    uint32_t pad

cdef struct StateHashPayload:
    # STATE_HASH: what the core's state was when its cause (a tick, or the stop) had been applied
    uint32_t count
    uint32_t pad
    # StateHashRow rows[count] follow

cdef struct StateHashRow:
    uint16_t section           # StateSection
    uint16_t line              # of a section that each line has; else 0
    uint32_t crc32c            # of the section's image
    uint64_t byte_count        # of the section's image

cdef struct TimerPayload:
    uint64_t timer_id
    int64_t deadline_mono_ns
    uint16_t timer_kind
    uint8_t pad[6]
    int64_t data

cdef struct CommandPayload:
    uint64_t command_id
    uint32_t uid
    uint16_t command_kind
    uint8_t scope_kind
    uint8_t side
    int64_t price_ticks
    int64_t qty_lots
    uint8_t order_type
    uint8_t time_in_force
    uint16_t flags
    uint32_t detail_size
    # scope ids stand in the header (venue, account, strategy, instrument, order_handle; 0 = all);
    # `detail_size` bytes of JSON (LIMITS, INSTRUCT, HEDGE, AMEND), then the reason text (UTF-8) follows up to the record's end, zero padded

cdef struct IntentPayload:
    uint8_t action
    uint8_t side
    uint8_t order_type
    uint8_t time_in_force
    uint16_t flags
    uint8_t position_side      # PositionSide; 0 in a netting account
    uint8_t has_conditions     # Conditions follow
    int64_t price_ticks
    int64_t qty_lots
    int64_t trigger_ticks
    int64_t expire_ns
    uint64_t target_handle

cdef struct Conditions:
    # what only conditional, displayed, listed and child orders have; stands behind IntentPayload, and beside the approved slot
    uint64_t parent_handle     # the instruction that this order belongs to; 0 = none
    uint64_t list_handle       # handle of the first order of a list that the venue takes in one request; 0 = none
    int64_t display_lots       # iceberg; 0 = all is shown
    int64_t activation_ticks   # trailing: counts from this price on; 0 = at once
    int64_t trail_amount       # ticks or basis points, by trail_kind
    int64_t limit_offset_ticks # TRAILING_STOP_LIMIT: limit price less trigger price
    uint8_t trail_kind         # TrailKind
    uint8_t trigger_source     # TriggerSource
    uint8_t contingency        # Contingency of the list
    uint8_t list_size
    uint8_t list_index         # 0 = the working order of OTO and OTOCO
    uint8_t is_exit            # of a bracket or a protection, and it only reduces: an orderly stop may leave it standing
    uint8_t pad[2]

cdef struct ParentStatePayload:
    int64_t qty_lots           # hard bound of what the children may fill
    int64_t filled_lots
    int64_t working_lots       # what open children may still fill, UNKNOWN ones in full
    int64_t average_price_e8
    uint32_t children
    uint16_t reason
    uint8_t kind               # InstructionKind
    uint8_t state              # ParentState
    uint8_t previous_state
    uint8_t side
    uint8_t pad[6]
    # the whole state as JSON follows up to the record's end, zero padded: what a restart begins with

cdef struct VerdictPayload:
    uint16_t reason
    uint8_t approved
    uint8_t scope              # 1 + LimitScope of the limit that refused; 0 = none
    uint8_t pad[4]
    uint64_t nonce
    int64_t value
    int64_t limit_value

cdef struct OrderBytesPayload:
    uint64_t request_id
    uint8_t action
    uint8_t pad[3]
    uint32_t byte_count
    # the bytes as they were given to the socket, secrets included only as the signature, zero padded

cdef struct OrderStatePayload:
    char client_order_id[24]
    int64_t venue_order_id
    int64_t price_ticks
    int64_t qty_lots
    int64_t cum_qty_lots
    int64_t leaves_qty_lots
    int64_t average_price_e8
    uint16_t reason
    uint16_t flags
    int32_t venue_code
    uint8_t state
    uint8_t previous_state
    uint8_t side
    uint8_t order_type
    uint8_t time_in_force
    uint8_t is_triggered       # of a conditional order: its price came
    uint8_t pad[2]
    int64_t trigger_ticks

cdef struct FillPayload:
    char client_order_id[24]
    int64_t trade_id
    int64_t price_ticks
    int64_t qty_lots
    int64_t commission_e8
    int64_t position_lots
    int64_t position_cost_e8
    int64_t realised_pnl_e8
    uint16_t commission_asset_id
    uint8_t side
    uint8_t is_maker
    uint8_t is_external
    uint8_t pad[3]

cdef struct PositionPayload:
    int64_t position_lots
    int64_t position_cost_e8
    int64_t realised_pnl_e8
    int64_t fees_quote_e8
    uint64_t buy_lots
    uint64_t sell_lots
    uint64_t fills

cdef struct StatePayload:
    # TRADING_STATE, STRATEGY_STATE, BOOK_STATE, SESSION_STATE, RECONCILE_BEGIN/END, ALARM
    uint16_t state
    uint16_t previous_state
    uint16_t reason
    uint16_t pad
    int64_t detail
    # text (UTF-8) follows up to the record's end, zero padded

cdef struct RiskStatePayload:
    # RISK_STATE: what a scope (its id in the header) measures, written at each change; money in 10^-8 of the reporting currency, of the
    # quote asset in instrument rows; times by the wall clock, so that a restart can use them
    int64_t equity_e8
    int64_t pnl_e8             # since the ledger's beginning: trades, fees, funding, open positions at their mark
    int64_t day_start_pnl_e8
    int64_t peak_pnl_e8
    int64_t drawdown_bps
    int64_t loss_streak
    int64_t cooldown_until_ns
    int64_t pause_until_ns
    int64_t price_move_bps
    int64_t volatility_bps
    int64_t window_loss_e8
    int64_t day                # days since 1970 by the configured boundary
    uint16_t reason            # Reason of trading_state
    uint8_t scope              # LimitScope
    uint8_t trading_state      # TradingState that the scope allows at most
    uint8_t risk_mode
    uint8_t previous_mode
    uint8_t latches            # RiskLatch bits
    uint8_t breaker            # BreakerState of the order requests; venue rows
