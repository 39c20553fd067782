"""Every enumeration that stands in a journal record, a ring descriptor or a status reply.

The numbers are wire format: they are written to disk and never reused. ``ext/engine/model/codes.pxd`` holds the same
numbers for compiled code; a style test compares the two.
"""

from __future__ import annotations

from enum import IntEnum


class Side(IntEnum):
    """FIX tag 54, renumbered so that it indexes arrays."""

    BUY = 0
    SELL = 1


class PositionSide(IntEnum):
    """Netting accounts use BOTH; hedge-mode accounts keep LONG and SHORT apart."""

    BOTH = 0
    LONG = 1
    SHORT = 2


class OrderType(IntEnum):
    """FIX tag 40 by name."""

    LIMIT = 0
    MARKET = 1
    STOP = 2
    STOP_LIMIT = 3
    MARKET_IF_TOUCHED = 4
    LIMIT_IF_TOUCHED = 5
    TRAILING_STOP = 6
    TRAILING_STOP_LIMIT = 7


class TimeInForce(IntEnum):
    """FIX tag 59 by name."""

    GTC = 0
    IOC = 1
    FOK = 2
    GTD = 3
    DAY = 4


class OrderFlag(IntEnum):
    """Bits of an order's ``flags``. PANIC: a person's closing order, which passes where a kill or a halt of risk stands."""

    POST_ONLY = 1
    REDUCE_ONLY = 2
    CLOSE_POSITION = 4
    EMULATED = 8
    PANIC = 16


class OrderState(IntEnum):
    """The order's state as the engine knows it.

    UNKNOWN: sent, and the venue's answer is missing or ambiguous; its full size consumes limits until it is resolved.
    """

    NONE = 0
    APPROVED = 1
    PENDING_NEW = 2
    NEW = 3
    PARTIALLY_FILLED = 4
    PENDING_CANCEL = 5
    PENDING_REPLACE = 6
    UNKNOWN = 7
    FILLED = 8
    CANCELED = 9
    REJECTED = 10
    EXPIRED = 11
    ABSENT = 12
    REFUSED = 13
    HELD = 14


class ExecType(IntEnum):
    """FIX tag 150 by name, with the venue's own additions."""

    NEW = 0
    TRADE = 1
    CANCELED = 2
    REPLACED = 3
    REJECTED = 4
    EXPIRED = 5
    TRADE_PREVENTION = 6
    UNKNOWN = 7


class IntentAction(IntEnum):
    """What a strategy, an operator or the engine itself asks for."""

    SUBMIT = 0
    CANCEL = 1
    REPLACE = 2
    AMEND = 3


class BookState(IntEnum):
    """May the book be traded on. Everything but VALID refuses orders."""

    EMPTY = 0
    SYNCING = 1
    VALID = 2
    STALE = 3
    CROSSED = 4
    INVALID = 5


class TradingState(IntEnum):
    """What may leave the gate."""

    HALTED = 0
    REDUCING = 1
    ACTIVE = 2


class HaltReason(IntEnum):
    """Why the engine is HALTED; only STARTING, VENUE and STOPPING clear by themselves, the rest by ``arm``.

    FLATTEN: a symbol whose position is being closed; it ends with that.
    """

    NONE = 0
    STARTING = 1
    KILL = 2
    CRASH_LOOP = 3
    MISMATCH = 4
    VENUE = 5
    STOPPING = 6
    JOURNAL = 7
    CLOCK = 8
    RISK = 9
    FLATTEN = 10


class Reason(IntEnum):
    """Why an intent was refused or an order ended. The documentation's table is generated from this enum."""

    NONE = 0
    HALTED = 1
    REDUCING_ONLY = 2
    UNKNOWN_INSTRUMENT = 3
    INSTRUMENT_NOT_TRADING = 4
    BOOK_INVALID = 5
    STALE = 6
    PRICE_NOT_POSITIVE = 7
    QTY_NOT_POSITIVE = 8
    QTY_BELOW_MIN = 9
    QTY_ABOVE_MAX = 10
    NOTIONAL_BELOW_MIN = 11
    NOTIONAL_ABOVE_MAX = 12
    PRICE_COLLAR = 13
    POSITION_LIMIT = 14
    OPEN_ORDERS_LIMIT = 15
    MESSAGE_RATE = 16
    INSUFFICIENT_BALANCE = 17
    UNSUPPORTED = 18
    UNKNOWN_ORDER = 19
    ORDER_NOT_OPEN = 20
    STRATEGY_DISABLED = 21
    STRATEGY_PAUSED = 22
    ORDER_POOL_FULL = 23
    RING_FULL = 24
    JOURNAL_FULL = 25
    SESSION_DOWN = 26
    RATE_BUDGET = 27
    APPROVAL_INVALID = 28
    VENUE_REJECT = 29
    WOULD_CROSS = 30
    DUPLICATE = 31
    VENUE_TIMEOUT = 32
    NOT_FOUND = 33
    INTERNAL = 34
    NOT_ARMED = 35
    KEY_REFUSED = 36
    RESTRICTED = 37
    SHORT_BANNED = 38
    COLLAR_PERIOD = 39
    SLIPPAGE = 40
    GROSS_EXPOSURE = 41
    NET_EXPOSURE = 42
    LEVERAGE = 43
    POSITIONS_LIMIT = 44
    POSITION_NOTIONAL = 45
    MARGIN = 46
    SELF_TRADE = 47
    REPEATED_EXECUTION = 48
    DAILY_LOSS = 49
    DRAWDOWN = 50
    LOSS_STREAK = 51
    PRICE_MOVE = 52
    CAPITAL_BUDGET = 53
    RISK_MODE = 54
    NOT_VALUED = 55
    VENUE_UNHEALTHY = 56
    TRIGGER_PRICE = 57
    TRIGGERED_AT_ONCE = 58
    DISPLAY_QTY = 59
    EXPIRE_TIME = 60
    POSITION_SIDE = 61
    PARENT_QTY = 62
    LIST_INCOMPLETE = 63
    HELD_FULL = 64
    EXPIRED = 65
    CANCELED_BY_CONTINGENCY = 66
    PRICE_STEP = 67
    QTY_STEP = 68
    VENUE_ORDERS = 69
    VENUE_CONDITIONAL_ORDERS = 70
    VENUE_ICEBERG_ORDERS = 71
    VENUE_ORDER_LISTS = 72
    CLOSE_POSITION_TWICE = 73
    NOT_DURABLE = 74


class FrameFault(IntEnum):
    """Why a venue's frame was refused; docs/venue-binance.md tells what each means."""

    NONE = 0
    SYNTAX = 1
    NUMBER = 2
    OFF_TICK = 3
    OVERFLOW = 4
    MISSING_FIELD = 5
    REPEATED_FIELD = 6
    TOO_MANY_ROWS = 7
    TRAILING_BYTES = 8
    TRUNCATED = 9
    NESTING = 10
    TEXT = 11
    WORD = 12
    CONTRADICTION = 13


class RecordKind(IntEnum):
    """What a journal record or a descriptor is about: inputs of the tape, inputs of the ledger, outputs, bookkeeping."""

    PAD = 0
    DEPTH_DIFF = 1
    DEPTH_SNAPSHOT = 2
    BOOK_TICKER = 3
    TRADE = 4
    AGG_TRADE = 5
    MARKET_FRAME_OTHER = 6
    MARKET_FRAME_MALFORMED = 7
    FEED_STATE = 8
    KLINE = 9
    TICKER_24H = 10
    MINI_TICKER = 11
    MARK_PRICE = 12
    FUNDING_RATE = 13
    OPEN_INTEREST = 14
    LONG_SHORT_RATIO = 15
    LIQUIDATION = 16
    CONTRACT_INFO = 17
    EXECUTION_REPORT = 32
    ORDER_REPLY = 33
    ACCOUNT_POSITION = 34
    BALANCE_UPDATE = 35
    ORDER_STATUS = 36
    OWN_FRAME_OTHER = 37
    OWN_FRAME_MALFORMED = 38
    SESSION_STATE = 39
    TIMER = 40
    COMMAND = 41
    INSTRUMENT = 42
    TIME_SYNC = 43
    RECONCILE_BEGIN = 44
    RECONCILE_END = 45
    OWN_TRADE = 46
    VENUE_POSITION = 47
    FUNDING_PAYMENT = 48
    ACCOUNT_WARNING = 49
    INSTRUMENT_UPDATE = 60
    INTENT = 64
    VERDICT = 65
    ORDER_BYTES = 66
    ORDER_STATE = 67
    FILL = 68
    POSITION = 69
    BALANCE = 70
    TRADING_STATE = 71
    STRATEGY_STATE = 72
    ALARM = 73
    BOOK_STATE = 74
    START = 96
    STOP = 97
    RECOVERED = 98
    CUT = 99
    MARGIN_TIERS = 61
    INSTRUCTION = 75
    HELD_ORDER = 76
    PARENT_STATE = 77
    LIMITS = 78
    RISK_STATE = 79
    ACCOUNT = 80
    VENUE_HEALTH = 62
    ASSET = 50
    HANDLES = 51
    STATE_HASH = 81
    CORE_START = 100
    INSTRUMENT_ROW = 101
    OPERATOR = 102


class StateSection(IntEnum):
    """Whose state a row of STATE_HASH covers."""

    TABLES = 1
    MARKETS = 2
    BOOKS = 3
    ORDERS = 4
    OMS = 5
    POSITIONS = 6
    RISK = 7
    GATE = 8
    STRATEGIES = 9
    EXECUTION = 10
    TIMERS = 11
    TURN = 12


class Lane(IntEnum):
    """The journal's two lanes: one sequence over both."""

    LEDGER = 0
    TAPE = 1


class SessionState(IntEnum):
    """Life of a venue session."""

    DOWN = 0
    CONNECTING = 1
    CONNECTED = 2
    READY = 3


class CommandKind(IntEnum):
    """What an operator can ask of the hot process."""

    PAUSE = 1
    RESUME = 2
    KILL = 3
    ARM = 4
    FLATTEN = 5
    CANCEL = 6
    STOP = 7
    ORDER = 8
    RECONCILE = 9
    LIMITS = 10
    INSTRUCT = 11
    HEDGE = 12
    AMEND = 13


class TimerKind(IntEnum):
    """Who a TIMER record is for."""

    TICK = 0
    STRATEGY = 1
    BAR = 2
    RECONCILE = 3
    SESSION = 4
    EXECUTION = 5


class AlarmCode(IntEnum):
    """What desk must tell a person."""

    NONE = 0
    BOOK_GAP = 1
    BOOK_CROSSED = 2
    FEED_STALE = 3
    OVERFILL = 4
    UNKNOWN_FILL = 5
    RECONCILE_MISMATCH = 6
    STRATEGY_RAISED = 7
    STRATEGY_HUNG = 8
    KILLED = 9
    JOURNAL_NEARLY_FULL = 10
    SESSION_LOST = 11
    RATE_LIMITED = 12
    CLOCK_DRIFT = 13
    ORDER_UNKNOWN = 14
    MALFORMED_FRAME = 15
    KEY_REFUSED = 16
    MARGIN_CALL = 17
    ACCOUNT_CHANGED = 18
    POSITION_ADOPTED = 19
    INSTRUMENT_CHANGED = 20
    RISK_MODE = 21
    PROTECTION_FAILED = 22
    BREAKER_OPEN = 23
    DELEVERAGE_RISK = 24
    LIQUIDATION_NEAR = 25
    LIMIT_BREACHED = 26
    FLATTEN_FAILED = 27
    PARENT_FAILED = 28
    TRADE_ID_CONFLICT = 29
    FILL_MISSING = 30
    POSITION_UNPROTECTED = 31
    NOTIFIER_LOST = 32


class Counter(IntEnum):
    """Slots of the mapped counters file."""

    MARKET_FRAMES = 0
    MARKET_BYTES = 1
    OWN_FRAMES = 2
    MALFORMED_FRAMES = 3
    BOOK_UPDATES = 4
    BOOK_GAPS = 5
    BOOK_RESYNCS = 6
    BOOK_CROSSED = 7
    BOOK_STALE = 8
    TICKERS_SEEN = 9
    TICKERS_CHECKED = 10
    TICKERS_EQUAL = 11
    STRATEGY_CALLS = 12
    STRATEGY_CONFLATED = 13
    STRATEGY_ERRORS = 14
    STRATEGY_HANGS = 15
    INTENTS = 16
    APPROVED = 17
    REFUSED = 18
    ORDERS_SENT = 19
    CANCELS_SENT = 20
    REPLACES_SENT = 21
    ORDERS_ACKED = 22
    VENUE_REJECTS = 23
    FILLS = 24
    UNKNOWN_ORDERS = 25
    DUPLICATE_REPORTS = 26
    ILLEGAL_TRANSITIONS = 27
    EXTERNAL_FILLS = 28
    RECONCILES = 29
    RECONCILE_MISMATCHES = 30
    COMMANDS = 31
    TIMERS = 32
    RECONNECTS = 33
    RATE_LIMITED = 34
    JOURNAL_RECORDS = 35
    JOURNAL_BYTES = 36
    JOURNAL_SYNCED_SEQ = 37
    JOURNAL_LAST_SEQ = 38
    JOURNAL_REFUSED = 39
    GC_COLLECTIONS = 40
    GC_NS = 41
    LOOP_TURNS = 42
    ALARMS = 43
    STAND_BY_0 = 44
    HEARTBEAT_MONO_NS = 45
    TRADING_STATE = 46
    HALT_REASON = 47
    EPOCH = 48
    PID = 49
    START_WALL_NS = 50
    OPEN_ORDERS = 51
    CLOCK_DRIFT_NS = 52
    FEED_SESSIONS_READY = 53
    GATEWAY_READY = 54
    RECONCILED = 55
    RATE_WEIGHT_USED = 56
    RATE_ORDERS_USED = 57
    RISK_MODE = 58
    DAY_LOSS_E8 = 59
    DRAWDOWN_BPS = 60
    LIMIT_USE_PERCENT = 61
    BREAKERS_OPEN = 62
    DELEVERAGE_QUANTILE = 63
    DURABLE_WAITS = 64
    DURABLE_WAITING = 65
    DURABLE_REFUSED = 66
    RECOVERY_RECORDS = 67
    RECOVERY_US = 68
    SNAPSHOT_SEQ = 69


class Stage(IntEnum):
    """Latency histograms: from the frame's callback to the end of the stage, nanoseconds."""

    DECODED = 0
    BOOK_APPLIED = 1
    STRATEGY_DONE = 2
    GATE_DONE = 3
    BYTES_READY = 4
    SENT = 5
    ORDER_ROUND_TRIP = 6
    CANCEL_ROUND_TRIP = 7
    CONTROL_REPLY = 8
    OWN_FRAME_APPLIED = 9
    CANCEL_SENT = 10
    DURABLE_WAIT = 11


class TradeClass(IntEnum):
    """Where a public trade came about. Only MARKET trades were made in the book (USD-M's ``X``; spot has no others)."""

    MARKET = 0
    INSURANCE_FUND = 1
    NONE = 2


class RatioKind(IntEnum):
    """What a long/short ratio counts: accounts or positions, of all traders or the top ones, or what takers traded."""

    GLOBAL_ACCOUNTS = 0
    TOP_ACCOUNTS = 1
    TOP_POSITIONS = 2
    TAKER_VOLUME = 3


class TriggerSource(IntEnum):
    """The price that a conditional order watches. BID_ASK: the side that it would trade against."""

    LAST = 0
    BID_ASK = 1
    MARK = 2
    INDEX = 3


class TrailKind(IntEnum):
    """In what a trailing distance is given."""

    NONE = 0
    TICKS = 1
    BPS = 2


class Contingency(IntEnum):
    """FIX tag 1385 by name, and the venue's OTOCO: what the orders of a list do to one another."""

    NONE = 0
    OCO = 1
    OTO = 2
    OUO = 3
    OTOCO = 4


class InstructionKind(IntEnum):
    """What the engine carries out over several orders, or holds back until a price is seen."""

    NONE = 0
    HELD = 1
    LIST = 2
    BRACKET = 3
    PROTECTION = 4
    ALGO = 5


class ParentState(IntEnum):
    """Life of an instruction."""

    NONE = 0
    WORKING = 1
    PAUSED = 2
    CANCELING = 3
    DONE = 4
    CANCELED = 5
    REJECTED = 6
    EXPIRED = 7


class RiskMode(IntEnum):
    """How careful the gate is: each mode scales limits or forces REDUCING or HALTED, by the configuration's table."""

    NORMAL = 0
    ELEVATED = 1
    HIGH = 2
    CRITICAL = 3


class LimitScope(IntEnum):
    """Whom a row of limits binds."""

    ENGINE = 0
    ACCOUNT = 1
    VENUE = 2
    STRATEGY = 3
    INSTRUMENT = 4


class NativeFeature(IntEnum):
    """What a venue does by itself beside order types: masks above the sixteen bits of `OrderType` in `native_order_types`."""

    GTD = 1 << 16
    ICEBERG = 1 << 17
    OCO = 1 << 18
    OTO = 1 << 19
    OTOCO = 1 << 20
    CLOSE_POSITION = 1 << 21
    TRIGGER_MARK = 1 << 22
    TRAIL_BPS = 1 << 23
    HEDGE = 1 << 24
    AMEND = 1 << 25
    REPLACE = 1 << 26


class ExpiryCause(IntEnum):
    """Why the venue ended an order that nobody cancelled, as far as it says so."""

    NONE = 0
    CONTINGENCY = 1
    SELF_TRADE = 2
    REDUCE_ONLY = 3
    LIQUIDATION = 4
    NO_LIQUIDITY = 5
    OTHER = 6


class BreakerState(IntEnum):
    """A circuit breaker: CLOSED lets everything through, OPEN nothing, HALF_OPEN what shows whether the venue is well again."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class RiskLatch(IntEnum):
    """Bits of what holds a scope at REDUCING or HALTED after the measure itself has recovered."""

    DAILY_LOSS = 1
    DRAWDOWN = 2
    MODE = 4
