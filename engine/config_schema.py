"""The shape of a configuration: every key, its type, its range, its unit, what it means.

Frozen msgspec structs; `engine.config` checks a TOML file against them. A field without a default must be written in
the file: no risk limit has one. Units stand last in the key. Amounts and quantities are decimal text in quotes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from engine.config_alerts_schema import AlertsSection
from engine.config_metas import Section, path_meta, text_meta, url_meta
from engine.config_recorder_schema import RecorderSection
from engine.config_risk_schema import HealthSection, PortfolioSection, RiskSection

BYTES_MAX = 1 << 36


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
    session_end: Annotated[
        str,
        text_meta(
            r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
            "HH:MM",
            "time of day (UTC) at which orders with time in force DAY expire",
        ),
    ] = "00:00"
    stop_keeps_protection: Annotated[
        bool,
        Meta(
            description="an orderly stop leaves standing what only closes positions at the venue, and a start its own"
        ),
    ] = True


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
    durability: Annotated[
        Literal["os", "group", "order"],
        Meta(
            description="what an order's records must have survived before it leaves: os = a killed process, group = the same, and "
            "a power cut takes sync_interval_ms at most, order = a power cut: each new order waits for the disk"
        ),
    ] = "group"
    order_wait_ms_max: Annotated[
        int,
        Meta(ge=1, le=60_000, description="durability order: an order that the disk has kept for so long is refused"),
    ] = 500
    audit_credential: (
        Annotated[
            str,
            text_meta(
                r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
                "a file name without its ending",
                "name of `NAME.pem` (Ed25519) in $CREDENTIALS_DIRECTORY with which the desk signs the head of the hash chain",
            ),
        ]
        | None
    ) = None
    audit_sign_interval_s: Annotated[int, Meta(ge=1, le=86_400, description="how often the desk signs the head")] = 300
    ledger_keep_days: Annotated[
        int,
        Meta(ge=1, le=36_500, description="what doctor forecasts the ledger's disk for; nothing deletes the ledger"),
    ] = 2555
    tape_keep_days: Annotated[
        int, Meta(ge=1, le=36_500, description="whole tape segments older than this may be deleted")
    ] = 7
    state_hash_ticks: Annotated[
        int,
        Meta(
            ge=0,
            le=1_728_000,
            description="ticks (20 a second) between two records of the core's state as checksums; 0: one at the stop alone",
        ),
    ] = 1_200


Symbol = Annotated[str, Meta(pattern=r"^[A-Z0-9_-]{2,31}$")]
LineSymbol = Annotated[str, Meta(pattern=r"^([A-Za-z0-9_-]{1,13}:)?[A-Z0-9_-]{2,31}$")]
SYMBOLS = {"wanted": 'a list of symbols in the venue\'s spelling, in capitals, as ["BTCUSDT"]'}


class VenueSection(Section, frozen=True, kw_only=True):
    """One venue and one account at it; several sections are several venues or accounts in one engine."""

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
            "name of the files `NAME.key` and `NAME.secret` or `NAME.pem` in $CREDENTIALS_DIRECTORY; only paper needs none",
        ),
    ] = ""
    key_type: Annotated[
        Literal["hmac", "ed25519", "none"],
        Meta(description='how requests are signed: with NAME.secret, or with NAME.pem; `"none"` for paper only'),
    ] = "none"
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
            Meta(description="futures, must be written there: one signed position, or long beside short; set at start"),
        ]
        | None
    ) = None


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
    symbols: Annotated[
        tuple[LineSymbol, ...],
        Meta(
            min_length=1,
            description="what it sees and may trade; `VENUE:SYMBOL` where several venues or accounts trade the symbol",
            extra=SYMBOLS,
        ),
    ]
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
    operators: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=4_294_967_294)], ...],
        Meta(
            max_length=32,
            description="uids that may command the engine beside its own user and root; they must be in the group of runtime_dir",
            extra={"wanted": "a list of uids"},
        ),
    ] = ()
    second_person: Annotated[
        tuple[Literal["limits", "arm", "resume"], ...],
        Meta(
            description="what another uid must approve: limits = one that is loosened, arm = after a kill or halt, resume",
            extra={"wanted": 'a list of "limits", "arm", "resume"'},
        ),
    ] = ()
    second_person_expiry_s: Annotated[
        int, Meta(ge=1, le=86_400, description="how long a proposal waits for the second person")
    ] = 900


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
    snapshot_records: Annotated[
        int,
        Meta(ge=100, le=100_000_000, description="so many records that change state make a snapshot of the ledger due"),
    ] = 200_000
    snapshot_minutes: Annotated[
        int, Meta(ge=1, le=10_080, description="at the latest so long after the last one, where anything changed")
    ] = 10


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


class PaperSection(Section, frozen=True, kw_only=True):
    """The account of `mode = "paper"`: what it begins with, what it pays, how its orders travel and fill."""

    balances: Annotated[
        dict[str, str],
        Meta(
            description='what the account holds at its very first start, as `{ USDT = "100000" }`; '
            "absent: 100000 of each asset that the symbols are paid in",
            extra={"wanted": 'a table of assets and amounts, as { USDT = "100000" }'},
        ),
    ] = msgspec.field(default_factory=dict)
    maker_bps: (
        Annotated[
            int, Meta(ge=0, le=1000, description="fee of a resting order in basis points; absent: spot 10, USD-M 2")
        ]
        | None
    ) = None
    taker_bps: (
        Annotated[
            int, Meta(ge=0, le=1000, description="fee of a taking order in basis points; absent: spot 10, USD-M 5")
        ]
        | None
    ) = None
    to_venue_us: Annotated[
        int,
        Meta(ge=0, le=10_000_000, description="how long a request is under way; whole milliseconds are kept exactly"),
    ] = 2_000
    from_venue_us: Annotated[int, Meta(ge=0, le=10_000_000, description="how long an answer or event is under way")] = (
        2_000
    )
    jitter_us: Annotated[
        int, Meta(ge=0, le=10_000_000, description="up to so much more for each message, evenly spread")
    ] = 1_000
    fills: Annotated[
        Literal["queue", "touch", "through"],
        Meta(
            description="when a resting order fills: when the queue ahead of it has traded, at the first trade at its price, "
            "or only when the market trades beyond it"
        ),
    ] = "queue"


class Config(Section, frozen=True, kw_only=True):
    """A whole configuration. Paths are absolute once loaded."""

    engine: EngineSection
    journal: JournalSection = JournalSection()
    venue: dict[str, VenueSection]
    risk: RiskSection
    strategy: dict[str, StrategySection] = msgspec.field(default_factory=dict)
    control: ControlSection = ControlSection()
    desk: DeskSection = DeskSection()
    guard: GuardSection | None = None
    alerts: AlertsSection | None = None
    reconcile: ReconcileSection
    portfolio: PortfolioSection = PortfolioSection()
    health: HealthSection = HealthSection()
    runaway: RunawaySection = RunawaySection()
    paper: PaperSection = PaperSection()
    recorder: RecorderSection | None = None
