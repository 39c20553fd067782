"""The shape of a configuration's limits, risk modes and measures; see `engine.config_schema`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from engine.config_metas import Section, bps_meta, count_meta, decimal_meta, text_meta

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
    duplicate_window_ms: (
        Annotated[
            int, count_meta("an order equal to one approved within this time is a duplicate; absent: never", MS_MAX)
        ]
        | None
    ) = None
    restricted: Annotated[bool, Meta(description="nothing but what reduces a position")] = False
    no_buy: Annotated[bool, Meta(description="no buying but what reduces a short position")] = False
    no_sell: Annotated[bool, Meta(description="no selling but what reduces a long position")] = False
    no_short: Annotated[bool, Meta(description="no selling below a position of 0")] = False
    no_self_trade: Annotated[bool, Meta(description="nothing that would meet an own resting order")] = False


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
    instrument: Annotated[
        dict[str, InstrumentRisk], Meta(description="limits by symbol; `VENUE:SYMBOL`: of that line alone")
    ]
    account: Annotated[dict[str, AccountRisk], Meta(description="limits by account number")] = msgspec.field(
        default_factory=dict
    )
    venue: Annotated[dict[str, AccountRisk], Meta(description="limits by venue")] = msgspec.field(default_factory=dict)
    strategy: Annotated[dict[str, StrategyRisk], Meta(description="limits by strategy")] = msgspec.field(
        default_factory=dict
    )
    modes: Annotated[RiskModes, Meta(description="what is done when it gets rough")] = RiskModes()
    measures: Annotated[MeasureSection, Meta(description="how profit and volatility are measured")] = MeasureSection()


class PortfolioSection(Section, frozen=True, kw_only=True):
    """What everything is valued in, and how near to liquidation is told."""

    currency: Annotated[
        str,
        text_meta(r"^[A-Z0-9]{2,12}$", "an asset, as USDT", "the reporting currency of limits, profit and equity"),
    ] = "USDT"
    liquidation_near_bps: Annotated[
        int,
        Meta(ge=0, le=10_000, description="futures: alarm LIQUIDATION_NEAR when so near to the mark price; 0 = never"),
    ] = 1000


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
