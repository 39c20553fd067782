"""The listings of `tradewind ctl`: from the control port's fixed-size answers, the counters, and the ledger."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from engine.cli.ctl_commands import add_timeout, answer_of, ask
from engine.cli.ctl_symbols import named, wanted
from engine.cli.render import duration_text, print_fields, print_json, print_table, time_text
from engine.cli.target import Target, find_target
from engine.exit_codes import CommandError, ExitCode

if TYPE_CHECKING:
    from engine.control.messages import LineStatus
    from engine.desk.ledger import LedgerFold, LedgerState

Show = Callable[[argparse.Namespace], int]
POSITION_COLUMNS = [
    *(
        "symbol",
        "side",
        "position",
        "average_price",
        "mark",
        "unrealised_pnl",
        "realised_pnl",
        "fees",
        "fees_unvalued",
        "money",
    ),
    *("leverage", "margin", "liquidation_price", "liquidation_distance", "fills"),
]
ACCOUNT_COLUMNS = [
    *("venue", "asset", "wallet", "locked", "unrealised", "equity", "initial_margin", "maintenance", "available"),
    *("margin_ratio", "funding", "rate", "value"),
]
PROFIT_COLUMNS = [
    *("strategy", "venue", "symbol", "side", "position", "average_price", "mark", "realised_pnl", "unrealised_pnl"),
    *("fees", "fees_unvalued", "net_pnl", "money", "fills"),
]
BALANCE_COLUMNS = ["venue", "asset", "free", "locked", "total"]
LATENCY_COLUMNS = ["stage", "count", "p50", "p90", "p99", "p99_9", "max"]
LINE_COLUMNS = ["line", "account", "trading_state", "halt_reason", "reconciled", "open_orders", "kill"]
STRATEGY_COLUMNS = ["strategy", "state", "open_orders", "orders", "fills", "refusals"]


def add_options(name: str, parser: argparse.ArgumentParser) -> None:
    """What only this listing takes."""
    if name in ("status", "book", "strategies"):
        add_timeout(parser)
    if name == "orders":
        parser.add_argument("--all", action="store_true", help="closed ones too")
    if name == "orders":
        parser.add_argument("--flat", action="store_true", help="a plain table instead of a tree under the parents")
    if name == "algos":
        parser.add_argument("--all", action="store_true", help="those that are over too")
    if name == "pnl":
        parser.add_argument("--strategy", help="only this strategy; - for operators and what no order of ours explains")
    if name in ("orders", "positions", "algos", "pnl"):
        parser.add_argument("--symbol", help="only this symbol, or that of one line: NAME:SYMBOL")
    if name == "book":
        parser.add_argument("symbol")
        parser.add_argument("--venue", help="where the symbol is traded at several")
    if name == "events":
        parser.add_argument("--last", type=int, default=20, metavar="N", help="how many (20)")


def opened(args: argparse.Namespace) -> Show:
    """The function that shows the listing, with what it reads from already open."""
    target = find_target(args)
    if args.action in ("orders", "algos"):
        from engine.cli.ctl_tree import Tree

        return Tree(target, open_fold(target)).show
    if args.action == "account":
        fold = open_fold(target)
        return lambda args: show_accounts(args, fold)
    if args.action in ("positions", "balances", "pnl"):
        fold = open_fold(target, whole=args.action == "pnl")
        return lambda args: show_folded(args, fold)
    if args.action == "latency":
        return Latency(target).show
    asked: dict[str, Callable[[Target], Status | Book | Strategies]]
    asked = {"status": Status, "book": Book, "strategies": Strategies}
    return asked[args.action](target).show


def open_fold(target: Target, *, whole: bool = False) -> LedgerFold:
    """The ledger's fold; no journal there is exit code 66."""
    from engine.cli.journal import failure
    from engine.desk.ledger import LedgerFold
    from engine.journal.errors import JournalError

    try:
        return LedgerFold(target.journal_dir(), target.runtime_dir, whole=whole)
    except JournalError as error:
        raise failure(error) from None


def show_folded(args: argparse.Namespace, fold: LedgerFold) -> int:
    """Positions, profit or balances, and as of which sequence."""
    state = refreshed(fold)
    rows, columns = rows_of(args, fold)
    lag = fold.lag_records()
    if args.json:
        print_json({args.action: rows, "as_of_sequence": state.as_of, "since_sequence": state.since, "lag": lag})
    else:
        print_table(named(state.catalog, rows), columns, empty=f"no {args.action}")
        if args.action == "positions" and not fold.is_whole:
            print(f"fees in third assets are counted from sequence {state.since} on; all: ctl pnl")
        print(f"as of sequence {state.as_of}, lag {lag}")
    return ExitCode.OK


def show_accounts(args: argparse.Namespace, fold: LedgerFold) -> int:
    """Every asset of every account, and all together in the reporting currency."""
    from engine.desk.accounts import total

    state = refreshed(fold)
    rows = list(state.accounts.values())
    reporting = {row["raw"]["reporting_asset_id"] for row in rows} - {0}
    currency = state.catalog.asset(min(reporting)).rpartition(":")[2] if reporting else ""
    summed = total(rows, currency)
    lag = fold.lag_records()
    if args.json:
        shown = [{name: value for name, value in row.items() if name != "raw"} for row in rows]
        print_json({"accounts": shown, "total": summed, "as_of_sequence": state.as_of, "lag": lag})
        return ExitCode.OK
    print_table(rows, ACCOUNT_COLUMNS, empty="no account yet")
    if rows:
        print_fields(summed | {"unvalued": ", ".join(summed["unvalued"]) or "nothing"})
    print(f"as of sequence {state.as_of}, lag {lag}")
    return ExitCode.OK


def refreshed(fold: LedgerFold) -> LedgerState:
    """The fold as of now; a damaged journal is exit code 74."""
    from engine.cli.journal import failure
    from engine.journal.errors import JournalError

    try:
        return fold.refresh()
    except JournalError as error:
        raise failure(error, ExitCode.IO_ERROR) from None


def rows_of(args: argparse.Namespace, fold: LedgerFold) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of a folded listing and the columns to show."""
    state = fold.state
    if args.action == "balances":
        return list(state.balances.values()), BALANCE_COLUMNS
    rows = state.profit_rows() if args.action == "pnl" else state.position_rows()
    rows = wanted(state.catalog, args.symbol, rows)
    if args.action == "pnl":
        return [row for row in rows if args.strategy in (None, row["strategy"])], PROFIT_COLUMNS
    return rows, POSITION_COLUMNS


class _Asked:
    """A listing that the control port answers."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def reply(self, request: Any, kind: type[Any], timeout_s: float) -> Any:
        """The answer of the kind wanted; a refusal is exit code 1, or 77."""
        return answer_of(ask(self.target, request, timeout_s), kind)


class Status(_Asked):
    """`ctl status`."""

    def show(self, args: argparse.Namespace) -> int:
        """The engine's state."""
        from engine.control.messages import EngineStatus
        from engine.control.messages import Status as Request
        from engine.model.codes import HaltReason, Reason, RiskMode, TradingState

        reply = self.reply(Request(), EngineStatus, args.timeout)
        fields = msgspec.structs.asdict(reply)
        fields["trading_state"] = TradingState(reply.trading_state).name
        fields["halt_reason"] = HaltReason(reply.halt_reason).name
        fields["risk_mode"] = RiskMode(reply.risk_mode).name
        fields["risk_reason"] = Reason(reply.risk_reason).name
        halted = {symbol: HaltReason(reason).name for symbol, reason in reply.halted_symbols.items()}
        fields["halted_symbols"] = halted
        fields["lines"] = [line_fields(line) for line in reply.lines]
        if args.json:
            print_json(fields)
            return ExitCode.OK
        # nobody is to take a paper account for a real one
        fields["mode"] = reply.mode.upper() if reply.mode == "paper" else reply.mode
        fields["started"] = time_text(fields.pop("start_wall_ns"))
        fields["uptime_s"] = max(0, fields.pop("now_wall_ns") - reply.start_wall_ns) // 1_000_000_000
        fields["clock_drift"] = f"{fields.pop('clock_drift_ns') / 1e6:.3f} ms"
        fields["halted_symbols"] = ", ".join(f"{symbol} ({reason})" for symbol, reason in halted.items()) or "none"
        fields["killed_strategies"] = ", ".join(reply.killed_strategies) or "none"
        lines = fields.pop("lines")
        not_ours = sum(line.not_ours_count for line in reply.lines)
        fields["orders_not_ours"] = f"{not_ours} open at the venue: `ctl reconcile` shows them" if not_ours else "none"
        print_fields(fields)
        if len(lines) > 1:
            print()
            print_table(lines, LINE_COLUMNS, empty="no lines")
        return ExitCode.OK


def line_fields(line: LineStatus) -> dict[str, Any]:
    """One line's row, its numbers by name."""
    from engine.model.codes import HaltReason, TradingState

    names = {"trading_state": TradingState(line.trading_state).name, "halt_reason": HaltReason(line.halt_reason).name}
    return msgspec.structs.asdict(line) | names


class Book(_Asked):
    """`ctl book SYMBOL`."""

    def show(self, args: argparse.Namespace) -> int:
        """The top of the book."""
        from engine.control.messages import Book as Request
        from engine.control.messages import BookStatus
        from engine.model.codes import BookState

        reply = self.reply(Request(symbol=args.symbol, venue=args.venue or ""), BookStatus, args.timeout)
        fields = msgspec.structs.asdict(reply) | {"state": BookState(reply.state).name}
        if args.json:
            print_json(fields)
            return ExitCode.OK
        age_ns = fields.pop("age_ns")
        fields["age"] = duration_text(age_ns) if age_ns >= 0 else "no data yet"
        print_fields(fields)
        return ExitCode.OK


class Strategies(_Asked):
    """`ctl strategies`."""

    def show(self, args: argparse.Namespace) -> int:
        """Every strategy's row."""
        from engine.control.messages import Strategies as Request
        from engine.control.messages import StrategyTable

        reply = self.reply(Request(), StrategyTable, args.timeout)
        rows = [msgspec.structs.asdict(row) | {"state": strategy_state(row)} for row in reply.rows]
        if args.json:
            print_json({"strategies": rows, "as_of_sequence": reply.sequence})
        else:
            print_table(rows, STRATEGY_COLUMNS, empty="no strategies")
            print(f"as of sequence {reply.sequence}")
        return ExitCode.OK


def strategy_state(row: Any) -> str:
    """A strategy's state in one word, with the reason it was disabled for; a kill outdoes everything else."""
    from engine.model.codes import AlarmCode

    if row.halt_reason:
        return "KILLED"
    if not row.enabled:
        known = row.disabled_reason in AlarmCode._value2member_map_
        reason = AlarmCode(row.disabled_reason).name if known else str(row.disabled_reason)
        return "disabled" if reason == "NONE" else f"disabled ({reason})"
    if not row.started:
        return "not started"
    return "paused" if row.paused else "running"


class Latency:
    """`ctl latency`: from the counters file, so that it costs the engine nothing."""

    def __init__(self, target: Target) -> None:
        from engine.runtime.counters_reader import CountersError, CountersReader

        try:
            self._reader = CountersReader(target.counters)
        except CountersError as error:
            if isinstance(error.__cause__, PermissionError):
                raise error.__cause__ from None
            raise CommandError(ExitCode.UNAVAILABLE, str(error)) from None

    def show(self, args: argparse.Namespace) -> int:
        """A line for each stage that has values."""
        snapshot = self._reader.snapshot()
        stages = {name: summary for name, summary in snapshot["stages"].items() if summary["count"]}
        sequence = snapshot["counters"]["journal_last_seq"]
        if args.json:
            print_json({"latency_ns": stages, "as_of_sequence": sequence})
            return ExitCode.OK
        rows = [
            {
                "stage": name,
                **{key: value if key == "count" else duration_text(value) for key, value in summary.items()},
            }
            for name, summary in stages.items()
        ]
        print_table(rows, LATENCY_COLUMNS, empty="nothing measured yet")
        print(f"as of sequence {sequence}")
        return ExitCode.OK


def events(args: argparse.Namespace) -> int:
    """The last events of the ledger; with --watch also those to come."""
    from engine.cli.journal import failure
    from engine.desk.events import EventLog, event_line
    from engine.journal.errors import JournalError

    target = find_target(args)
    try:
        log = EventLog(target.journal_dir())
        shown = log.last(args.last)
        while True:
            for event in shown:
                print_json(event) if args.json else print(event_line(event), flush=True)
            if args.watch is None:
                return ExitCode.OK
            shown = log.wait(args.watch)
    except JournalError as error:
        raise failure(error) from None
    except KeyboardInterrupt:
        pass
    return ExitCode.OK
