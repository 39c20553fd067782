"""The shape of a configuration: every key, its type, its range, its unit, what it means.

Frozen msgspec structs; `engine.config` checks a TOML file against them. A field without a default must be written in
the file: no risk limit has one. Units stand last in the key. Amounts and quantities are decimal text in quotes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

BYTES_MAX = 1 << 36


def decimal_meta(description: str) -> Meta:
    """A positive amount as decimal text, at most 8 decimals; `engine.config` checks it exactly."""
    return Meta(description=description, extra={"decimal": True})


def text_meta(pattern: str, wanted: str, description: str) -> Meta:
    """Text that must match `pattern`; `wanted` says it in words for the refusal."""
    return Meta(pattern=pattern, description=description, extra={"wanted": wanted})


def url_meta(schemes: str, description: str) -> Meta:
    """A URL of one of `schemes` (separated by a space) with a host and without user, query or fragment."""
    return Meta(description=description, extra={"url": schemes})


def path_meta(description: str) -> Meta:
    """A path; relative ones count from the configuration file's directory."""
    return Meta(description=description, extra={"path": True})


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration."""


class CrashLoop(Section, frozen=True, kw_only=True):
    """Stay down after `count` starts without an orderly stop within `minutes`."""

    count: Annotated[int, Meta(ge=1, le=1000, description="crashes after which the engine stays HALTED")]
    minutes: Annotated[int, Meta(ge=1, le=10_080, description="the window in which they are counted")]


class EngineSection(Section, frozen=True, kw_only=True):
    """The process."""

    name: Annotated[
        str,
        text_meta(
            r"^[a-z0-9][a-z0-9_-]{0,31}$",
            "1 to 32 of a-z 0-9 _ -, not beginning with _ or -",
            "the engine's name in the journal, in metrics and for `ctl --name`",
        ),
    ]
    id: Annotated[
        int, Meta(ge=1, le=3843, description="stands in every client order id; unique among engines of an account")
    ]
    mode: Annotated[
        Literal["live", "paper", "sim"],
        Meta(description="real orders, paper orders, or a simulated venue on this host; must be written out"),
    ]
    data_dir: Annotated[str, path_meta("journal segments, lock, epoch; on a disk that keeps")]
    runtime_dir: Annotated[str, path_meta("journal fronts, counters, control socket; on tmpfs, kept over restarts")]
    wait: Annotated[
        Literal["block", "spin"], Meta(description="sleep until input comes, or poll without pause (needs a core)")
    ] = "block"
    cpu: (
        Annotated[int, Meta(ge=0, le=4095, description="pin the hot thread to this core; absent: not pinned")] | None
    ) = None
    strategy_turn_ms_max: Annotated[
        int, Meta(ge=1, le=60_000, description="a strategy callback that runs longer is interrupted and disabled")
    ]
    crash_loop: Annotated[
        CrashLoop | Literal["off"],
        Meta(description='when to stay down: a table, or `"off"` (for kill tests only)'),
    ]


class JournalSection(Section, frozen=True, kw_only=True):
    """The journal: fronts in memory, segments on disk."""

    ledger_front_bytes: Annotated[
        int, Meta(ge=1 << 16, le=BYTES_MAX, description="mapped ring of own orders and decisions; a power of two")
    ] = 8 << 20
    tape_front_bytes: Annotated[
        int, Meta(ge=1 << 16, le=BYTES_MAX, description="mapped ring of market data; a power of two")
    ] = 32 << 20
    segment_bytes: Annotated[
        int, Meta(ge=1 << 16, le=BYTES_MAX, description="size at which a segment on disk is closed and the next begun")
    ] = 64 << 20
    sync_interval_ms: Annotated[int, Meta(ge=1, le=10_000, description="how often the writer syncs to disk")] = 10
    ledger_keep_days: Annotated[
        int,
        Meta(ge=1, le=36_500, description="what doctor forecasts the ledger's disk for; nothing deletes the ledger"),
    ] = 2555
    tape_keep_days: Annotated[
        int, Meta(ge=1, le=36_500, description="whole tape segments older than this may be deleted")
    ] = 7


Symbol = Annotated[str, Meta(pattern=r"^[A-Z0-9_-]{2,31}$")]
SYMBOLS = {"wanted": 'a list of symbols in the venue\'s spelling, in capitals, as ["BTCUSDT"]'}


class VenueSection(Section, frozen=True, kw_only=True):
    """One venue and one account at it."""

    kind: Annotated[Literal["binance-spot", "binance-usdm"], Meta(description="the venue's protocol")]
    rest_url: Annotated[str, url_meta("https http", "REST base, without path; `http` only on this host")]
    stream_url: Annotated[str, url_meta("wss ws", "market stream base, without path; `ws` only on this host")]
    ws_api_url: Annotated[
        str, url_meta("wss ws", "WebSocket order API; without a path the kind's own; `ws` only on this host")
    ]
    tls_ca: Annotated[str, path_meta("trust this certificate authority (PEM) instead of the system's")] | None = None
    credential: Annotated[
        str,
        text_meta(
            r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
            "a file name without its ending",
            "name of the files `NAME.key` and `NAME.secret` or `NAME.pem` in $CREDENTIALS_DIRECTORY",
        ),
    ]
    key_type: Annotated[
        Literal["hmac", "ed25519"], Meta(description="how requests are signed: with NAME.secret, or with NAME.pem")
    ]
    recv_window_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="the venue refuses a request that reaches it later than this")
    ] = 5000
    order_timeout_ms: Annotated[
        int, Meta(ge=50, le=60_000, description="without an answer for this long an order is UNKNOWN")
    ] = 2000
    deadman_ms: (
        Annotated[
            int,
            Meta(
                ge=500,
                le=600_000,
                description="USD-M only: the venue cancels all when the engine has made no progress for so long",
            ),
        ]
        | None
    ) = None
    symbols: Annotated[
        tuple[Symbol, ...],
        Meta(min_length=1, max_length=500, description="what is subscribed and may be traded", extra=SYMBOLS),
    ]
    instrument_refresh_s: Annotated[
        int, Meta(ge=10, le=86_400, description="how often status, limits, tick and lot of the symbols are asked for")
    ] = 900
    leverage: (
        Annotated[int, Meta(ge=1, le=125, description="futures, must be written there: set for each symbol at start")]
        | None
    ) = None
    margin_type: (
        Annotated[
            Literal["cross", "isolated"],
            Meta(description="futures, must be written there: set for each symbol at start"),
        ]
        | None
    ) = None
    position_mode: (
        Annotated[
            Literal["one-way", "hedge"],
            Meta(description='futures, must be written there: only "one-way" is traded; set for the account at start'),
        ]
        | None
    ) = None


def count_meta(description: str, most: int = 1_000_000) -> Meta:
    """A whole number from 1."""
    return Meta(ge=1, le=most, description=description)


def bps_meta(description: str) -> Meta:
    """Basis points, 1 to 10 000."""
    return Meta(ge=1, le=10_000, description=description)


MS_MAX = 86_400_000 * 31


class LimitKeys(Section, frozen=True, kw_only=True):
    """Limits that every scope may have; what is absent is not limited."""

    max_order_notional: Annotated[str, decimal_meta("largest value of one order")] | None = None
    max_position_notional: (
        Annotated[str, decimal_meta("largest value of a position with all working orders filled")] | None
    ) = None
    max_gross_exposure: (
        Annotated[str, decimal_meta("largest sum of the values of positions and working orders")] | None
    ) = None
    max_net_exposure: (
        Annotated[str, decimal_meta("largest value of longs less shorts, working orders included")] | None
    ) = None
    max_open_orders: Annotated[int, count_meta("orders working at once", 100_000)] | None = None
    message_rate_per_s: (
        Annotated[int, count_meta("orders and replaces a second; needs `message_burst`", 100_000)] | None
    ) = None
    message_burst: Annotated[int, count_meta("orders and replaces at once", 100_000)] | None = None
    price_collar_bps: Annotated[int, bps_meta("farthest price from the reference")] | None = None
    price_collar_period_bps: (
        Annotated[int, bps_meta("farthest price from the reference of a period ago; needs `price_collar_period_ms`")]
        | None
    ) = None
    price_collar_period_ms: Annotated[int, count_meta("that period", MS_MAX)] | None = None
    max_slippage_bps: (
        Annotated[int, bps_meta("farthest average of the levels a market order takes, from the mid")] | None
    ) = None
    max_daily_loss: (
        Annotated[str, decimal_meta("largest loss of a day; beyond it only what reduces passes, until the next day")]
        | None
    ) = None
    max_drawdown: (
        Annotated[str, decimal_meta("largest fall from the peak; beyond it only what reduces passes, until `arm`")]
        | None
    ) = None
    max_loss_streak: (
        Annotated[int, count_meta("losing round trips in a row after which the cool-down begins")] | None
    ) = None
    loss_cooldown_ms: Annotated[int, count_meta("how long it lasts; absent: until `arm`", MS_MAX)] | None = None
    max_executions: Annotated[int, count_meta("executions within the window; needs `executions_window_ms`")] | None = (
        None
    )
    executions_window_ms: Annotated[int, count_meta("that window", MS_MAX)] | None = None
    restricted: Annotated[bool, Meta(description="nothing but what reduces a position")] = False
    no_buy: Annotated[bool, Meta(description="no buying but what reduces a short position")] = False
    no_sell: Annotated[bool, Meta(description="no selling but what reduces a long position")] = False
    no_short: Annotated[bool, Meta(description="no selling below a position of 0")] = False


class WideLimitKeys(LimitKeys, frozen=True, kw_only=True):
    """Limits of scopes with several instruments; money in the reporting currency."""

    max_positions: Annotated[int, count_meta("positions that are not flat, working ones included", 100_000)] | None = (
        None
    )
    max_drawdown_bps: Annotated[int, bps_meta("largest fall from the peak, of the equity at the peak")] | None = None


class AccountRisk(WideLimitKeys, frozen=True, kw_only=True):
    """More limits of one account, by its number, or of one venue, by its name."""

    max_leverage: Annotated[str, decimal_meta("gross exposure over equity")] | None = None


class StrategyRisk(WideLimitKeys, frozen=True, kw_only=True):
    """Limits of one strategy; its drawdown in basis points counts from `capital_budget`."""

    capital_budget: Annotated[str, decimal_meta("largest gross exposure of its own positions and orders")] | None = None


class InstrumentRisk(LimitKeys, frozen=True, kw_only=True):
    """The limits of one instrument; money in its quote asset."""

    max_order_qty: Annotated[str, decimal_meta("largest quantity of one order, in the base asset")]
    max_order_notional: Annotated[str, decimal_meta("largest value of one order, in the quote asset")]
    max_position: Annotated[str, decimal_meta("largest position with all working orders filled, in the base asset")]
    price_collar_bps: Annotated[
        int, Meta(ge=1, le=10_000, description="farthest price from the reference, in basis points")
    ]
    max_open_orders: Annotated[int, Meta(ge=1, le=100_000, description="orders working at once in the instrument")]
    max_price_move_bps: (
        Annotated[int, bps_meta("move of the mid within the window after which the pause begins; needs both times")]
        | None
    ) = None
    price_move_window_ms: Annotated[int, count_meta("that window", MS_MAX)] | None = None
    price_move_pause_ms: Annotated[int, count_meta("how long only what reduces passes", MS_MAX)] | None = None


class ModeRule(Section, frozen=True, kw_only=True):
    """When a risk mode begins - any one threshold is reached - and what it does."""

    drawdown: (
        Annotated[str, decimal_meta("fall of the engine's profit from its peak, in the reporting currency")] | None
    ) = None
    drawdown_bps: Annotated[int, bps_meta("the same, of the equity at the peak")] | None = None
    window_loss: Annotated[str, decimal_meta("loss within `loss_window_s`, in the reporting currency")] | None = None
    volatility_bps: (
        Annotated[
            int, bps_meta("volatility of an instrument (deviation of one-minute moves); the mode is the instrument's")
        ]
        | None
    ) = None
    venue_health: (
        Annotated[
            Literal["half-open", "open"],
            Meta(
                description="a circuit breaker of the venue's requests is in this state or worse; the mode is the venue's"
            ),
        ]
        | None
    ) = None
    limits_percent: Annotated[
        int, Meta(ge=1, le=100, description="what is left of sizes, exposures, leverage and budgets")
    ] = 100
    state: (
        Annotated[
            Literal["reducing", "halted"], Meta(description="the trading state that the mode forces; absent: none")
        ]
        | None
    ) = None
    until_arm: Annotated[bool, Meta(description="the mode stays until a person arms, even when its cause is gone")] = (
        False
    )


class RiskModes(Section, frozen=True, kw_only=True):
    """Risk modes; without any, the mode is always NORMAL."""

    elevated: Annotated[ModeRule, Meta(description="the first step")] | None = msgspec.field(
        default=None, name="ELEVATED"
    )
    high: Annotated[ModeRule, Meta(description="the second")] | None = msgspec.field(default=None, name="HIGH")
    critical: Annotated[ModeRule, Meta(description="the last")] | None = msgspec.field(default=None, name="CRITICAL")
    calm_s: Annotated[
        int, Meta(ge=0, le=86_400, description="a mode ends when its cause has been gone for so long")
    ] = 60


class MeasureSection(Section, frozen=True, kw_only=True):
    """How profit and volatility are measured."""

    day_start_utc: Annotated[
        str, text_meta(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", '"hh:mm"', "when a trading day begins, UTC")
    ] = "00:00"
    loss_window_s: Annotated[int, Meta(ge=60, le=86_400, description="the window of `window_loss`")] = 3600
    volatility_halflife_s: Annotated[
        int, Meta(ge=10, le=86_400, description="after so long a move counts half in the volatility")
    ] = 300


class RiskSection(AccountRisk, frozen=True, kw_only=True):
    """The limits of the engine; money in the reporting currency."""

    max_open_orders: Annotated[int, Meta(ge=1, le=100_000, description="orders working at once, all instruments")]
    message_rate_per_s: Annotated[
        int, Meta(ge=1, le=100_000, description="orders and replaces a second, refilled evenly")
    ]
    message_burst: Annotated[int, Meta(ge=1, le=100_000, description="orders and replaces at once")]
    stale_after_ms: Annotated[
        int, Meta(ge=1, le=600_000, description="market data older than this: no order leaves, resting quotes go")
    ]
    clock_drift_ms_max: Annotated[
        int, Meta(ge=1, le=1000, description="drift from the venue's clock above which no new order leaves")
    ]
    instrument: Annotated[dict[str, InstrumentRisk], Meta(description="limits by symbol")]
    account: Annotated[dict[str, AccountRisk], Meta(description="limits by account number")] = {}
    venue: Annotated[dict[str, AccountRisk], Meta(description="limits by venue")] = {}
    strategy: Annotated[dict[str, StrategyRisk], Meta(description="limits by strategy")] = {}
    modes: Annotated[RiskModes, Meta(description="what is done when it gets rough")] = RiskModes()
    measures: Annotated[MeasureSection, Meta(description="how profit and volatility are measured")] = MeasureSection()


class PortfolioSection(Section, frozen=True, kw_only=True):
    """What everything is valued in."""

    currency: Annotated[
        str,
        text_meta(r"^[A-Z0-9]{2,12}$", "an asset, as USDT", "the reporting currency of limits, profit and equity"),
    ] = "USDT"


class HealthSection(Section, frozen=True, kw_only=True):
    """Circuit breakers around a venue's requests, and how what is idempotent is asked again."""

    failures: Annotated[int, count_meta("failures within the window that open a breaker", 1000)] = 5
    window_ms: Annotated[int, count_meta("that window", 3_600_000)] = 30_000
    cooldown_ms: Annotated[int, count_meta("how long an open breaker lets nothing through", 3_600_000)] = 10_000
    probes: Annotated[int, count_meta("successes in a row that close it again", 100)] = 2
    retries: Annotated[int, Meta(ge=0, le=10, description="how often a GET is asked again; orders never are")] = 3
    retry_first_ms: Annotated[int, count_meta("the first pause before it; doubled each time, with jitter", 60_000)] = (
        200
    )
    retry_most_ms: Annotated[int, count_meta("the longest pause", 600_000)] = 5_000
    deleverage_poll_s: Annotated[
        int, Meta(ge=5, le=86_400, description="futures: how often the auto-deleverage indicator is asked for")
    ] = 60
    deleverage_alarm: Annotated[
        int, Meta(ge=1, le=4, description="futures: the indicator (0 to 4) from which an alarm is raised")
    ] = 4


class RunawaySection(Section, frozen=True, kw_only=True):
    """What shows that a strategy has run away: it is disabled until a person arms it by name."""

    orders_per_input_max: Annotated[
        int, Meta(ge=1, le=100_000, description="a strategy that asks for more in answer to one input is disabled")
    ] = 1_000
    rejections_per_10s_max: Annotated[
        int, Meta(ge=1, le=100_000, description="a strategy whose orders are refused more often is disabled")
    ] = 200
    executions_per_10s_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="a strategy that trades more often is disabled until armed")
    ] = 1_000


class StrategySection(Section, frozen=True, kw_only=True):
    """One strategy."""

    class_path: Annotated[
        str,
        text_meta(
            r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
            '"module:Class"',
            "the class to run, as `module:Class`",
        ),
    ] = msgspec.field(name="class")
    symbols: Annotated[tuple[Symbol, ...], Meta(min_length=1, description="what it sees and may trade", extra=SYMBOLS)]
    subscriptions: Annotated[
        tuple[str, ...],
        Meta(
            description='what it hears beside books and trades, as `["kline_1m", "mark_price"]`; see strategies.md',
            extra={"wanted": 'a list of subscriptions, as ["kline_1m"]'},
        ),
    ] = ()
    params: Annotated[
        dict[str, Any], Meta(description="settings of the strategy, checked against its own Config type")
    ] = msgspec.field(default_factory=dict)


class ControlSection(Section, frozen=True, kw_only=True):
    """The control port."""

    socket: (
        Annotated[str, path_meta("the ipc socket of `tradewind ctl`; absent: `control.sock` in runtime_dir")] | None
    ) = None


class DeskSection(Section, frozen=True, kw_only=True):
    """The cold process beside the engine."""

    listen: Annotated[
        str,
        text_meta(
            r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$",
            '"host:port"',
            "address of /metrics, /healthz and /readyz; port 0 takes any free one",
        ),
    ] = "127.0.0.1:9464"


class GuardSection(Section, frozen=True, kw_only=True):
    """The process that cancels at the venue when the engine is killed, dead or hung."""

    heartbeat_ms_max: Annotated[
        int, Meta(ge=100, le=60_000, description="no progress of the engine for so long: everything is cancelled")
    ]
    credential: (
        Annotated[
            str,
            text_meta(
                r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
                "a file name without its ending",
                "a key of the guard's own, as in the venue's `credential`; absent: the venue's",
            ),
        ]
        | None
    ) = None
    key_type: (
        Annotated[Literal["hmac", "ed25519"], Meta(description="of the guard's own key; absent: the venue's")] | None
    ) = None
    keep_alive_s: Annotated[
        int, Meta(ge=1, le=30, description="how often the venue's clock is asked, which keeps the connection warm")
    ] = 5


class ReconcileSection(Section, frozen=True, kw_only=True):
    """How engine and venue are brought to agree."""

    cancel_on_start: Annotated[
        bool, Meta(description="cancel own orders that a former run left open, before trading begins")
    ]
    interval_s: Annotated[int, Meta(ge=1, le=3600, description="how often orders and balances are compared")] = 30


class Config(Section, frozen=True, kw_only=True):
    """A whole configuration. Paths are absolute once loaded."""

    engine: EngineSection
    journal: JournalSection = JournalSection()
    venue: dict[str, VenueSection]
    risk: RiskSection
    strategy: dict[str, StrategySection] = {}
    control: ControlSection = ControlSection()
    desk: DeskSection = DeskSection()
    guard: GuardSection | None = None
    reconcile: ReconcileSection
    portfolio: PortfolioSection = PortfolioSection()
    health: HealthSection = HealthSection()
    runaway: RunawaySection = RunawaySection()
