"""The parts of an order's command line that belong together: exits, lists, algorithms. Text goes to the engine as it is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.control.messages import ExitsText, OrderText
    from engine.model.volume_profile import VolumeProfile

# what of a message is left for a profile; a longer one is made coarser
PROFILE_BYTES_MAX = 12_000
ALGOS = ("twap", "vwap", "pov", "iceberg", "shortfall", "is", "sniper", "peg")
# word of the command line, its metavar, its help; the same words are those of `Order.algo_words`
ALGO_WORDS: tuple[tuple[str, str, str], ...] = (
    ("duration", "TIME", "how long: 90s, 10m, 1h30m"),
    ("slices", "N", "twap, vwap, shortfall: in so many parts (10)"),
    ("style", "HOW", "take: IOC at the other side; join: rest at the best price of its own"),
    ("catch-up", "RULE", "next: what a slice missed is the next one's; spread: of all that follow; none: of the end"),
    ("at-end", "WHAT", "when time is over: cancel the rest, or cross (take it, within the limit)"),
    ("time-jitter", "SHARE", "twap ...: of an interval, as 30%%"),
    ("size-jitter", "SHARE", "twap ..., iceberg: of a slice or a part, as 20%%"),
    ("retry", "TIME", "what could not be done whole is tried again after (1s)"),
    ("risk-aversion", "X", "shortfall: lambda, per unit of the quote asset, as 1e-6"),
    ("volatility", "X", "shortfall: sigma, in the quote asset per root of a second"),
    ("temporary-impact", "X", "shortfall: eta, price per (base asset per second)"),
    ("permanent-impact", "X", "shortfall: gamma, price per base asset (0)"),
    ("participation", "SHARE", "pov: share of the traded volume, as 10%%"),
    ("min-participation", "SHARE", "pov: behind this it takes"),
    ("max-participation", "SHARE", "pov: never above this (the share)"),
    ("min-child", "QTY", "pov: no smaller order"),
    ("max-child", "QTY", "pov: no larger order"),
    ("refresh", "TIME", "iceberg: the next part comes after up to so long"),
    ("min-take", "QTY", "sniper: only when so much stands at the price"),
    ("to", "PRICE", "peg: best, mid or opposite"),
    ("offset", "DISTANCE", "peg: further from the market, as 2ticks; nearer: --offset=-1ticks"),
    ("tolerance", "DISTANCE", "peg: moves only when so far off (1ticks)"),
    ("replace-every", "TIME", "peg: moves no more often (1s)"),
)


class Parser(Protocol):
    """A parser, or a group of one."""

    def add_argument(self, *names: str, **options: Any) -> Any: ...


def add_exit_words(parser: Parser) -> None:
    """--stop-loss, --take-profit and what belongs to them."""
    parser.add_argument("--stop-loss", default="", metavar="WHERE", help="a price, 1%%, 50bps, 300ticks, or trail:1%%")
    parser.add_argument(
        "--take-profit", action="append", default=[], metavar="WHERE[@SHARE]", help="31000, 2%%, 31000@50%%; repeatable"
    )
    parser.add_argument(
        "--break-even", default="", metavar="DISTANCE", help="in so much profit the stop moves to the entry"
    )
    parser.add_argument(
        "--stop-limit-offset",
        default="",
        metavar="DISTANCE",
        help="the stop becomes a limit order so far beyond (market)",
    )
    parser.add_argument(
        "--exit-by",
        choices=("last", "bid-ask", "mark", "index"),
        default="last",
        help="price that the stop watches (last)",
    )
    parser.add_argument(
        "--placement", choices=("auto", "native", "engine"), default="auto", help="where the stop rests (auto)"
    )


def exits_of(args: argparse.Namespace) -> ExitsText | None:
    """The exits that were asked for; None for none."""
    from engine.control.messages import ExitsText

    if not (args.stop_loss or args.take_profit or args.break_even or args.stop_limit_offset):
        return None
    return ExitsText(
        stop_loss=args.stop_loss,
        take_profits=tuple(args.take_profit),
        break_even=args.break_even,
        stop_limit_offset=args.stop_limit_offset,
        trigger_by=args.exit_by,
        placement=args.placement,
    )


def add_list_words(parser: Parser) -> None:
    """--oco, --ouo, --then, --then-one."""
    parser.add_argument("--oco", action="append", metavar="LEG", help="one cancels the other; repeatable")
    parser.add_argument(
        "--ouo", action="append", metavar="LEG", help="a fill of one makes the other smaller; repeatable"
    )
    parser.add_argument(
        "--then", action="append", metavar="LEG", help="released by this order's fill (oto); repeatable"
    )
    parser.add_argument(
        "--then-one", action="append", metavar="LEG", help="likewise, and they cancel one another (otoco)"
    )


def list_of(args: argparse.Namespace) -> tuple[Any, tuple[OrderText, ...]]:
    """Contingency and legs; empty for none."""
    given = {"oco": args.oco, "ouo": args.ouo, "oto": args.then, "otoco": args.then_one}
    chosen = [(name, texts) for name, texts in given.items() if texts]
    if len(chosen) > 1:
        raise CommandError(ExitCode.USAGE, "--oco, --ouo, --then and --then-one exclude one another")
    if not chosen:
        return "", ()
    name, texts = chosen[0]
    return name, tuple(leg_of(text, args) for text in texts)


def leg_of(text: str, args: argparse.Namespace) -> OrderText:
    """`[buy:|sell:]TYPE:PRICE[:LIMIT]`: PRICE is a limit order's price, of others what triggers them, or the trailing distance."""
    from engine.cli.ctl_orders import SHORT_TYPES, TYPES
    from engine.control.messages import OrderText

    words = text.split(":")
    side = words.pop(0) if words[0] in ("buy", "sell") else ""
    kind = SHORT_TYPES.get(words[0], words[0])
    shape = f"a leg is [buy:|sell:]TYPE:PRICE[:LIMIT], not {text!r}"
    if kind not in TYPES or len(words) > 3:
        raise CommandError(ExitCode.USAGE, shape)
    first, limit = [*words[1:], "", ""][:2]
    field = "price" if kind == "limit" else "trail" if kind.startswith("trailing") else "trigger"
    if not first and kind != "market":
        raise CommandError(ExitCode.USAGE, shape)
    fields: dict[str, Any] = {"side": side, "order_type": kind, **({field: first} if first else {})}
    if limit:
        fields["limit_offset" if kind == "trailing-stop-limit" else "price"] = limit
    return OrderText(trigger_by=args.trigger_by, reduce_only=args.reduce_only, **fields)


def add_algo_words(parser: Parser) -> None:
    """--algo and the words of all of them."""
    parser.add_argument("--algo", choices=ALGOS, default="", help="which")
    for word, metavar, text in ALGO_WORDS:
        parser.add_argument(f"--{word}", metavar=metavar, help=text)
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="vwap: a volume profile; `tradewind profile` makes one"
    )


def algo_of(args: argparse.Namespace) -> tuple[str, dict[str, str], str]:
    """Name, words and volume profile."""
    found = {word: getattr(args, word.replace("-", "_")) for word, _, _ in ALGO_WORDS}
    words = {word: text for word, text in found.items() if text is not None}
    if not args.algo and (words or args.profile):
        word = next(iter(words), "profile")
        raise CommandError(ExitCode.USAGE, f"--{word} belongs to an algorithm: give --algo")
    if args.algo and args.post_only:
        words["post-only"] = "yes"
    return args.algo, words, profile_text(args.profile) if args.profile else ""


def profile_text(path: Path) -> str:
    """The profile of a file, short enough for a message."""
    import msgspec

    profile = read_profile(path)
    text = msgspec.json.encode(profile)
    while len(text) > PROFILE_BYTES_MAX:
        profile = profile.coarser()
        text = msgspec.json.encode(profile)
    return text.decode()


def read_profile(path: Path) -> VolumeProfile:
    """A profile; exit code 66 where there is none, 65 where it is damaged."""
    import msgspec

    from engine.model.volume_profile import VolumeProfile

    try:
        return msgspec.json.decode(path.read_bytes(), type=VolumeProfile)
    except OSError as error:
        raise CommandError(ExitCode.NO_INPUT, f"{path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise CommandError(ExitCode.USAGE, f"{path} is no volume profile: {error}") from None
