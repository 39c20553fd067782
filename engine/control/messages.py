"""The messages of the control port: MessagePack, one typed struct each way, told apart by the field `type`.

A request that this build does not know, or that carries a field it does not know, is refused: half-understood commands
are not carried out. Names (venue, symbol, strategy) are resolved by the engine.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from engine.control.limit_rows import LimitRowText as LimitRowText
from engine.control.order_text import ExitsText as ExitsText
from engine.control.order_text import Number, OrderWords, PositionSideText, SideText
from engine.control.order_text import OrderText as OrderText
from engine.control.venue_rows import FlattenRow as FlattenRow
from engine.control.venue_rows import Left
from engine.control.venue_rows import LineStatus as LineStatus

PROTOCOL_VERSION = 1
MESSAGE_BYTES_MAX = 16_384

Reason = Annotated[str, Meta(max_length=200)]
Name = Annotated[str, Meta(max_length=64)]


class ScopeKind(IntEnum):
    """What a command is about, the narrowest thing named; stands in `CommandPayload.scope_kind`."""

    ALL = 0
    VENUE = 1
    ACCOUNT = 2
    INSTRUMENT = 3
    STRATEGY = 4
    ORDER = 5


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of what a command is about; empty = all. `order` is a client order id or a handle in decimal."""

    venue: Name = ""
    account: Annotated[int, Meta(ge=0, le=65_535)] = 0
    symbol: Name = ""
    strategy: Name = ""
    order: Name = ""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=str.lower):
    """What the engine is asked. `version` must be the engine's."""

    version: int = PROTOCOL_VERSION


class Ping(Request, frozen=True, kw_only=True):
    """Is anybody there."""


class Status(Request, frozen=True, kw_only=True):
    """The engine's state in a struct of fixed size."""


class Book(Request, frozen=True, kw_only=True):
    """The top of one instrument's book, from the engine's tables."""

    symbol: Name
    venue: Name = ""


class Strategies(Request, frozen=True, kw_only=True):
    """Every strategy's counts, from the engine's tables (at most 64)."""


class Command(Request, frozen=True, kw_only=True):
    """A request that is journaled with the caller's uid and this reason."""

    reason: Reason = ""
    scope: Scope = Scope()


class Pause(Command, frozen=True, kw_only=True):
    """A strategy (or all) sends no new intents, and its orders are cancelled, until resumed."""


class Resume(Command, frozen=True, kw_only=True):
    """Undo pause."""


class Kill(Command, frozen=True, kw_only=True):
    """HALTED at once and until `arm`; cancels everything in scope."""


class Arm(Command, frozen=True, kw_only=True):
    """Clear a sticky halt; trading begins after reconciliation. A strategy in scope is enabled again."""


class Flatten(Command, frozen=True, kw_only=True):
    """Close the positions in scope by orders through the gate."""


class Hedge(Command, frozen=True, kw_only=True):
    """Offset the exposure of the symbol in scope by market orders in another, sized by value; through the gate like any."""

    with_symbol: Name
    ratio: Annotated[str, Meta(max_length=40)] = "1"


class FlattenStatus(Request, frozen=True, kw_only=True):
    """How far the latest flatten has come."""


class HedgeStatus(Request, frozen=True, kw_only=True):
    """How far the latest hedge has come."""


class Cancel(Command, frozen=True, kw_only=True):
    """Cancel the orders in scope."""


class Stop(Command, frozen=True, kw_only=True):
    """Orderly end: no new orders, cancel all, verify, close the journal, exit 0."""


class Reconcile(Command, frozen=True, kw_only=True):
    """Compare orders and balances with the venue now. `adopt`: book first what is disputed, as the venue says."""

    adopt: bool = False


class Limits(Request, frozen=True, kw_only=True):
    """Every limit that is set with its use and source; of one scope where one is named."""

    scope: Scope = Scope()


LimitText = Annotated[str, Meta(max_length=40)]


class SetLimits(Command, frozen=True, kw_only=True):
    """Limits of one scope by their keys, as text; `loosen` must be set where one lets more through than before."""

    values: Annotated[dict[Name, LimitText], Meta(min_length=1, max_length=40)]
    loosen: bool = False


class ResetLimits(Command, frozen=True, kw_only=True):
    """Back to the configuration: the named limits of one scope, or all that commands have changed there."""

    names: Annotated[tuple[Name, ...], Meta(max_length=40)] = ()
    loosen: bool = False


class Order(OrderWords, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="order"):
    """An operator's order, or several that belong together; each passes the gate like any other. Decimal text.

    At most one of: `exits` (a bracket), `legs` with their `contingency`, `algo` with its words (`profile`: JSON of a volume
    profile). A struct has one base: the three fields of every command stand here once more.
    """

    version: int = PROTOCOL_VERSION
    reason: Reason = ""
    scope: Scope = Scope()
    side: SideText
    exits: ExitsText | None = None
    contingency: Literal["", "oco", "ouo", "oto", "otoco"] = ""
    legs: Annotated[tuple[OrderText, ...], Meta(max_length=15)] = ()
    algo: Name = ""
    algo_words: dict[Name, Number] = msgspec.field(default_factory=dict)
    profile: str = ""


class Protect(Command, frozen=True, kw_only=True):
    """Exits that follow the position of the symbol in scope, whoever made it."""

    exits: ExitsText
    position_side: PositionSideText = ""


class Amend(Command, frozen=True, kw_only=True):
    """Another price, quantity or trigger price of the order in scope, which is of this symbol (empty: whatever it is of), or other
    exits of the bracket or protection in scope; what is empty stays."""

    symbol: Name = ""
    venue: Name = ""
    price: Number = ""
    qty: Number = ""
    trigger: Number = ""
    exits: ExitsText | None = None


class Approve(Request, frozen=True, kw_only=True):
    """Let a proposal of another person take effect."""

    proposal: int
    reason: Reason = ""


class Reject(Request, frozen=True, kw_only=True):
    """Drop a proposal, one's own too."""

    proposal: int
    reason: Reason = ""


class Proposals(Request, frozen=True, kw_only=True):
    """What waits for a second person."""


AnyRequest = (
    Ping
    | Status
    | Book
    | Strategies
    | Pause
    | Resume
    | Kill
    | Arm
    | Flatten
    | FlattenStatus
    | Hedge
    | HedgeStatus
    | Cancel
    | Stop
    | Reconcile
    | Order
    | Protect
    | Amend
    | Limits
    | SetLimits
    | ResetLimits
    | Approve
    | Reject
    | Proposals
)


class RefusalCode(IntEnum):
    """Why the control port said no. The numbers are stable."""

    MALFORMED = 1
    VERSION = 2
    FORBIDDEN = 3
    UNKNOWN_NAME = 4
    BAD_VALUE = 5
    JOURNAL_FULL = 6
    STATE = 7
    INTERNAL = 8


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag=str.lower):
    """What the engine answers."""


class Pong(Reply, frozen=True, kw_only=True):
    """Somebody is there."""

    engine: str
    pid: int


class Accepted(Reply, frozen=True, kw_only=True):
    """The command stands in the journal under `sequence`; the states are those after it was applied.

    `reason` (a `Reason`) other than 0: the gate, or the engine, did not take the order; `note`: why, or what there was to do.
    """

    sequence: int
    order_handle: int = 0
    trading_state: int = 0
    halt_reason: int = 0
    kill: bool = False
    reason: int = 0
    note: str = ""
    left: tuple[Left, ...] = ()
    # the number under which it waits for a second person: nothing has changed yet, and `sequence` is 0
    proposal: int = 0


class FlattenState(Reply, frozen=True, kw_only=True):
    """The latest flatten, by the sequence of its command (0: there was none). `is_flat`: the venue has said so."""

    sequence: int = 0
    is_done: bool = False
    is_flat: bool = False
    elapsed_ns: int = 0
    rows: tuple[FlattenRow, ...] = ()


class HedgeState(Reply, frozen=True, kw_only=True):
    """The latest hedge, by the sequence of its first command (0: there was none). `is_hedged`: all of it is traded."""

    sequence: int = 0
    is_done: bool = False
    is_hedged: bool = False
    symbol: str = ""
    side: str = ""
    qty: str = ""
    filled: str = ""
    remaining: str = ""
    orders: int = 0
    why: str = ""


class Refused(Reply, frozen=True, kw_only=True):
    """Nothing was done, and why. `sequence`: of the command, where it is journaled; `reason`: a `Reason`, where one is known."""

    code: RefusalCode
    text: str
    sequence: int = 0
    reason: int = 0


class EngineStatus(Reply, frozen=True, kw_only=True):
    """The engine's state, of all lines together: as free as the freest, ready where every one is.

    Numbers of `engine.model.codes`, times in nanoseconds, counts since the start.
    """

    engine: str
    engine_id: int
    mode: str
    version: str
    pid: int
    epoch: int
    start_wall_ns: int
    now_wall_ns: int
    trading_state: int
    halt_reason: int
    reconciled: bool
    gateway_ready: bool
    user_stream_ready: bool
    kill: bool
    stopping: bool
    journal_reserve: bool
    clock_drift_ns: int
    last_seq: int
    synced_seq: int
    open_orders: int
    market_frames: int
    book_gaps: int
    intents: int
    refused: int
    orders_sent: int
    fills: int
    venue_rejects: int
    alarms: int
    instruments: int
    strategies: int
    # symbols that stand still by themselves, by `HaltReason`; at most HALTED_SHOWN_MAX of them
    halted_symbols: dict[str, int] = {}
    # strategies that stand still until `arm`
    killed_strategies: tuple[str, ...] = ()
    # the engine's own `RiskMode`; venues and instruments may have higher ones: `ctl limits get` shows what they leave
    risk_mode: int = 0
    # why risk lets only what reduces pass, or nothing: the `Reason` of the engine's own scope; 0 = it does not
    risk_reason: int = 0
    # `[journal] durability`, and at level `order` what waits for the disk, has waited and was refused
    durability: str = "group"
    durable_waiting: int = 0
    durable_waits: int = 0
    durable_refused: int = 0
    # proposals that wait for a second person
    proposals: int = 0
    # what this start read of earlier runs: the snapshot's last sequence (0: none was taken), the records behind it, the time
    snapshot_seq: int = 0
    recovery_records: int = 0
    recovery_us: int = 0
    troubles: str = ""
    lines: tuple[LineStatus, ...] = ()


class BookStatus(Reply, frozen=True, kw_only=True):
    """The top of a book as decimal text (empty = none), its state by `BookState`, stamps in nanoseconds."""

    symbol: str
    state: int
    update_id: int
    sequence: int
    bid: str
    bid_qty: str
    ask: str
    ask_qty: str
    last_trade: str
    last_trade_qty: str
    age_ns: int
    position: str
    working_buy: str
    working_sell: str
    open_orders: int
    unknown_orders: int


class StrategyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy, counts since the start."""

    strategy: str
    started: bool
    enabled: bool
    paused: bool
    disabled_reason: int
    open_orders: int
    orders: int
    fills: int
    refusals: int
    # by `HaltReason`: it stands still until `arm`, whatever else its row says
    halt_reason: int = 0


class StrategyTable(Reply, frozen=True, kw_only=True):
    """Every strategy, and the sequence that the table is as of."""

    sequence: int
    rows: tuple[StrategyRow, ...]


class LimitTable(Reply, frozen=True, kw_only=True):
    """Limits, and the sequence that the table is as of."""

    sequence: int
    rows: tuple[LimitRowText, ...]


class ProposalRow(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a second person. `action`: limits, arm or resume; times in nanoseconds."""

    proposal: int
    action: str
    scope: Scope
    words: str
    uid: int
    reason: str
    wall_ns: int
    expires_in_ns: int


class ProposalTable(Reply, frozen=True, kw_only=True):
    """Every proposal that waits, oldest first."""

    rows: tuple[ProposalRow, ...]


class GuardStatus(Reply, frozen=True, kw_only=True):
    """What the guard sees of its engine and what it did last; times in nanoseconds, -1 = none.

    `sight` by the name of `engine.guard.watch.Sight`; `killed` are symbols, or ALL; `may_cancel`: the venue has let the key cancel.
    """

    engine: str
    version: str
    pid: int
    sight: str
    engine_pid: int
    heartbeat_age_ns: int
    killed: tuple[str, ...]
    is_sweeping: bool
    sweeps: int
    last_cause: str
    first_cancel_ns: int
    verified_ns: int
    open_left: int
    may_cancel: bool
    troubles: str


AnyReply = (
    Pong
    | Accepted
    | Refused
    | EngineStatus
    | BookStatus
    | StrategyTable
    | LimitTable
    | FlattenState
    | HedgeState
    | ProposalTable
    | GuardStatus
)

encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(AnyRequest).decode
decode_reply = msgspec.msgpack.Decoder(AnyReply).decode
