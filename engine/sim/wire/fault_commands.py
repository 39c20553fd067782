"""What can be asked of the venue's test port: the same words stand in ``[[faults.plan]]``, on the socket and on the command line.

Each command is a struct told apart by ``cmd``; a field that it does not know, or a value that does not fit, is refused by name.
``at_s`` lets a command wait (from the venue's start in a plan, from now otherwise); ``for_s`` ends a lasting fault again.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Kind = Annotated[
    Literal["stream", "user", "ws-api", "rest", "all"],
    Meta(description="which connections: market streams, USD-M user streams, WebSocket API, REST, or all"),
]
Way = Annotated[Literal["to-venue", "from-venue", "both"], Meta(description="which way the messages go")]
Target = Annotated[
    Literal["stream", "user", "ws-api", "rest"],
    Meta(description="what is damaged: market frames, user events, WebSocket API replies, REST bodies"),
]
DamageMode = Annotated[
    Literal["cut", "garbage", "types", "huge", "binary", "utf8"],
    Meta(description="cut short, random bytes inside, wrong JSON types, padded to 1 MiB, binary frame, invalid UTF-8"),
]
BookFlaw = Annotated[
    Literal["crossed", "locked", "zero-price", "negative-price", "negative-qty", "jump"],
    Meta(description="what the published levels show; the venue itself matches on as before"),
]
Fraction = Annotated[float, Meta(gt=0, le=1, description="share of the messages that is struck, by seeded dice")]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000, description="how many are struck; 0: no end")]
CountFromOne = Annotated[int, Meta(ge=1, le=1_000_000_000, description="how many are struck")]
Milliseconds = Annotated[float, Meta(ge=0, le=3_600_000, description="milliseconds")]
Symbol = Annotated[str, Meta(description="symbol, as BTCUSDT")]
Address = Annotated[str, Meta(description="the client's address")]


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="cmd"):
    """What every command has."""

    at_s: Annotated[float, Meta(ge=0, le=1e7, description="wait this long before it begins")] = 0.0

    @classmethod
    def verb(cls) -> str:
        """Its name on the wire and in plans."""
        return str(cls.__struct_config__.tag)


class Fault(Command, frozen=True, kw_only=True):
    """A fault that stays armed: until it is used up, its time is over, or ``reset``. Arming it anew replaces it."""

    for_s: Annotated[float, Meta(ge=0, le=1e7, description="end after this long; 0: until used up or reset")] = 0.0

    def place(self) -> tuple[str, ...]:
        """What a newer command must share to replace this one: the verb and what it is aimed at."""
        aims = (str(getattr(self, name, "")) for name in ("kind", "symbol", "target"))
        return (self.verb(), *aims)


# --- connections ---


class Latency(Fault, frozen=True, kw_only=True, tag="latency"):
    """Messages take longer; the order of one connection's messages is kept."""

    kind: Kind = "all"
    to_venue_ms: Milliseconds = 0.0
    from_venue_ms: Milliseconds = 0.0
    jitter_ms: Annotated[float, Meta(ge=0, le=3_600_000, description="up to this much more, by dice")] = 0.0


class Drop(Fault, frozen=True, kw_only=True, tag="drop"):
    """Messages vanish. A REST connection that lost one is silent from then on, as TCP would be."""

    kind: Kind = "all"
    way: Way = "from-venue"
    fraction: Fraction = 1.0
    count: Count = 0


class HalfOpen(Fault, frozen=True, kw_only=True, tag="half_open"):
    """The sockets that are open now stay open and nothing flows any more, either way: no data, no pong, no FIN."""

    kind: Kind = "all"
    new: Annotated[bool, Meta(description="connections that are made later are as dead")] = False


class Malformed(Fault, frozen=True, kw_only=True, tag="malformed"):
    """Frames or bodies leave damaged."""

    target: Target
    mode: DamageMode
    fraction: Fraction = 1.0
    count: Count = 1


class SessionCap(Fault, frozen=True, kw_only=True, tag="session_cap"):
    """The 24 h end at will: WebSockets older than this are closed, within a second."""

    seconds: Annotated[float, Meta(ge=1, le=86_400, description="age in seconds")]
    kind: Kind = "all"


class Disconnect(Command, frozen=True, kw_only=True, tag="disconnect"):
    """Close connections once."""

    kind: Kind = "all"
    abrupt: Annotated[bool, Meta(description="without a close frame")] = False


class EndUserStreams(Command, frozen=True, kw_only=True, tag="end_user_streams"):
    """User data ends and the connection does not: eventStreamTerminated on spot, listenKeyExpired on USD-M."""


class ShutdownNotice(Command, frozen=True, kw_only=True, tag="shutdown_notice"):
    """Send every WebSocket client serverShutdown; nothing is closed."""


# --- requests and replies ---


class DropOrderResponses(Fault, frozen=True, kw_only=True, tag="drop_order_responses"):
    """Order requests are carried out and never answered (REST closes the connection instead)."""

    count: CountFromOne


class OrderError(Fault, frozen=True, kw_only=True, tag="order_error"):
    """Order requests are answered with a code, carried out or not."""

    count: CountFromOne
    code: Annotated[int, Meta(le=-1000, ge=-9999, description="as -1007, or -1006")]
    executed: Annotated[bool, Meta(description="the order is carried out all the same")] = True


class Delay(Fault, frozen=True, kw_only=True, tag="delay"):
    """Replies leave later; user events do not wait for them."""

    ms: Milliseconds
    orders_only: Annotated[bool, Meta(description="only replies to order requests")] = False


class TimestampErrors(Fault, frozen=True, kw_only=True, tag="timestamp_errors"):
    """Signed requests get -1021."""

    count: CountFromOne


class Limited(Fault, frozen=True, kw_only=True, tag="limited"):
    """Requests are refused with 429 or 418 and Retry-After; what comes inside it is refused too, and counted."""

    status: Literal[429, 418] = 429
    retry_after_s: Annotated[int, Meta(ge=1, le=259_200, description="seconds of quiet that are asked for")] = 3
    kind: Annotated[Literal["ws-api", "rest", "all"], Meta(description="which interface begins it")] = "all"
    count: CountFromOne = 1


class ClockOffset(Fault, frozen=True, kw_only=True, tag="clock_offset"):
    """Server time and timestamp check run ahead by this (event times do not)."""

    ms: Annotated[int, Meta(ge=-86_400_000, le=86_400_000, description="milliseconds; negative: behind")]


class ClockStep(Command, frozen=True, kw_only=True, tag="clock_step"):
    """Move the clock offset by this much, once."""

    ms: Annotated[int, Meta(ge=-86_400_000, le=86_400_000, description="milliseconds; negative: back")]


class LimitsUsed(Command, frozen=True, kw_only=True, tag="limits"):
    """Set a client's used weight."""

    weight_used: Annotated[int, Meta(ge=0, le=1_000_000_000, description="weight in this minute")]
    address: Address = "127.0.0.1"


class Ban(Command, frozen=True, kw_only=True, tag="ban"):
    """Answer 418 to everything of an address."""

    seconds: Annotated[int, Meta(ge=0, le=259_200, description="how long")]
    address: Address = "127.0.0.1"


# --- user events ---


class MuteUserEvents(Fault, frozen=True, kw_only=True, tag="mute_user_events"):
    """User events are lost."""

    count: Count = 1
    fraction: Fraction = 1.0


class DuplicateUserEvents(Fault, frozen=True, kw_only=True, tag="duplicate_user_events"):
    """User events are sent twice."""

    on: Annotated[bool, Meta(description="false: as reset")] = True
    count: Count = 0
    fraction: Fraction = 1.0


class ReorderUserEvents(Fault, frozen=True, kw_only=True, tag="reorder_user_events"):
    """A user event leaves after the one that follows it (or after 300 ms)."""

    count: Count = 1
    fraction: Fraction = 1.0


class EventsFirst(Fault, frozen=True, kw_only=True, tag="events_first"):
    """User events leave before the reply that caused them."""

    on: Annotated[bool, Meta(description="false: as reset")] = True


# --- market data ---


class Gap(Fault, frozen=True, kw_only=True, tag="gap"):
    """Depth emissions of a symbol vanish: a hole in its update ids."""

    symbol: Symbol
    count: CountFromOne = 1


class BadBook(Fault, frozen=True, kw_only=True, tag="bad_book"):
    """Depth emissions (and bookTicker) show what no sound book shows; afterwards the levels are put right again."""

    symbol: Symbol
    flaw: BookFlaw
    count: Annotated[int, Meta(ge=0, le=1_000_000_000, description="depth emissions; 0: until for_s or reset")] = 1
    ticker: Annotated[bool, Meta(description="bookTicker shows it too")] = False


# --- accounts and the port itself ---


class Deposit(Command, frozen=True, kw_only=True, tag="deposit"):
    """Pay in to an account; a negative amount takes out."""

    account: Annotated[int, Meta(description="account id")]
    asset: Annotated[str, Meta(description="as USDT")]
    amount: Annotated[str, Meta(description="decimal text, may be negative")]


class UsdmDeposit(Command, frozen=True, kw_only=True, tag="usdm_deposit"):
    """Move USDT into an account's futures wallet; a negative amount takes out."""

    account: Annotated[int, Meta(description="account id")]
    amount: Annotated[str, Meta(description="decimal text, may be negative")]


class UsdmStatus(Command, frozen=True, kw_only=True, tag="usdm_status"):
    """Change the status of a USD-M contract; orders are taken only in TRADING."""

    symbol: Symbol
    status: Annotated[str, Meta(description="as TRADING, SETTLING, CLOSE")]


class UsdmAccount(Command, frozen=True, kw_only=True, tag="usdm_account"):
    """Futures wallet, positions in use, open orders and conditional orders, as the core has them."""

    account: Annotated[int, Meta(description="account id")]


class Revoke(Command, frozen=True, kw_only=True, tag="revoke"):
    """Stop accepting an API key."""

    api_key: Annotated[str, Meta(description="the key, not its secret")]


class Account(Command, frozen=True, kw_only=True, tag="account"):
    """Balances and open orders, as the core has them."""

    account: Annotated[int, Meta(description="account id")]


class Frames(Command, frozen=True, kw_only=True, tag="frames"):
    """Write the frame log out."""


class Status(Command, frozen=True, kw_only=True, tag="status"):
    """Connections, frames, requests, orders, limits, and every armed fault with how often it struck."""


class Reset(Command, frozen=True, kw_only=True, tag="reset"):
    """Clear every fault (with --only those of one verb) and what waits to begin."""

    only: Annotated[str, Meta(description="a verb, as latency")] = ""


COMMANDS: tuple[type[Command], ...] = (
    *(Status, Disconnect, Latency, Drop, HalfOpen, Malformed, SessionCap, EndUserStreams, ShutdownNotice),
    *(DropOrderResponses, OrderError, Delay, TimestampErrors, Limited, ClockOffset, ClockStep, LimitsUsed, Ban),
    *(MuteUserEvents, DuplicateUserEvents, ReorderUserEvents, EventsFirst, Gap, BadBook),
    *(Deposit, UsdmDeposit, UsdmStatus, UsdmAccount, Revoke, Account, Frames, Reset),
)
AnyCommand = (
    Status
    | Disconnect
    | Latency
    | Drop
    | HalfOpen
    | Malformed
    | SessionCap
    | EndUserStreams
    | ShutdownNotice
    | DropOrderResponses
    | OrderError
    | Delay
    | TimestampErrors
    | Limited
    | ClockOffset
    | ClockStep
    | LimitsUsed
    | Ban
    | MuteUserEvents
    | DuplicateUserEvents
    | ReorderUserEvents
    | EventsFirst
    | Gap
    | BadBook
    | Deposit
    | UsdmDeposit
    | UsdmStatus
    | UsdmAccount
    | Revoke
    | Account
    | Frames
    | Reset
)
DECODER: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)
VERBS: dict[str, type[Command]] = {command.verb(): command for command in COMMANDS}


class FaultsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table ``[faults]``: the seed of the dice, and the plan, whose commands begin ``at_s`` after the start."""

    seed: int = 1
    plan: list[AnyCommand] = []


def decode(line: bytes) -> AnyCommand:
    """Read one line of the socket. Raises ``ValueError`` that names the verb, field or value at fault."""
    try:
        return _read(line)
    except RecursionError as error:
        raise ValueError("Invalid JSON: nested too deeply") from error


def _read(line: bytes) -> AnyCommand:
    try:
        return DECODER.decode(line)
    except msgspec.ValidationError as error:
        raise ValueError(_explained(str(error), line)) from error


def _explained(text: str, line: bytes) -> str:
    """The decoder's words, and what would have been right."""
    told = msgspec.json.decode(line)
    verb = told.get("cmd") if isinstance(told, dict) else None
    chosen = VERBS.get(verb) if isinstance(verb, str) else None
    if chosen is None:
        return "cmd must be one of " + ", ".join(VERBS)
    return f"{verb}: {text}; it takes " + (", ".join(chosen.__struct_fields__) or "nothing")
