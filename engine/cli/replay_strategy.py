"""`tradewind replay --strategy`: what another strategy would have made of a recorded session."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from engine.cli.journal import json_line
from engine.cli.replay import Progress, say
from engine.exit_codes import CommandError, ExitCode
from engine.model.instruments import format_e8
from engine.replay.core import build, load_strategies
from engine.replay.differences import Difference, lines
from engine.replay.paper import PaperSide
from engine.replay.playing import Player
from engine.replay.recording import Recording, open_recording
from engine.replay.result import Result, labelled, results, since, total_e8
from engine.strategy.api import Strategy
from engine.strategy.loader import StrategyLoadError, load_strategy


def run_other(args: argparse.Namespace, recording: Recording, scratch: Path) -> int:
    """The session as it was, then with the other strategy; 0 where both could be played."""
    require_plain(args)
    name = replaced(args.replace, recording)
    other = other_strategy(args.strategy)
    recorded = as_it_was(args, recording, scratch)
    again = open_recording(Path(args.journal), recording.epoch, Path(args.runtime_dir) if args.runtime_dir else None)
    strategies = load_strategies(again.config) | {name: other}
    player = Player(build(again, scratch, strategies=strategies), None if args.quiet else Progress(again))
    before = results(player.replay.engine)
    again.session.hold()
    outcome = player.play(until_seq=args.until)
    parted = outcome.differences[0] if outcome.differences else None
    real = results(player.replay.engine)
    if parted is not None:
        play_on_paper(args, player)
    ours = labelled(since(results(player.replay.engine), before), since(real, before))
    show(args, name, parted, recorded, ours)
    return ExitCode.OK


def require_plain(args: argparse.Namespace) -> None:
    """CommandError for what makes no sense where two strategies are compared."""
    given = {
        "--step": args.step,
        "--break": args.order is not None,
        "--keep-going": args.keep_going,
        "--credential": args.credential,
    }
    for option, is_given in given.items():
        if is_given:
            raise CommandError(ExitCode.USAGE, f"{option}: not with --strategy, which compares two whole runs")


def as_it_was(args: argparse.Namespace, recording: Recording, scratch: Path) -> list[Result]:
    """The recorded strategies' result; CommandError where the session itself differs: nothing can be compared then."""
    player = Player(build(recording, scratch), None if args.quiet else Progress(recording))
    before = results(player.replay.engine)
    outcome = player.play(until_seq=args.until)
    if outcome.differences:
        text = "\n".join(lines(outcome.differences[0]))
        raise CommandError(
            ExitCode.REFUSED, f"the session itself does not replay equal, so no strategy can be compared on it\n{text}"
        )
    return since(results(player.replay.engine), before)


def play_on_paper(args: argparse.Namespace, player: Player) -> None:
    """From where the strategies part to the end of the recording, or to `--until`."""
    paper = PaperSide(player.replay)
    paper.begin()
    if not args.quiet:
        say("the strategies part here; from now on fills are PAPER")
    for seq in paper.run(args.until):
        if player.progress is not None:
            player.progress(seq, paper.inputs)


def replaced(name: str | None, recording: Recording) -> str:
    """Whose place the other takes. CommandError where that must be said."""
    names = list(recording.config.strategy)
    if name is None and len(names) == 1:
        return names[0]
    if name not in names:
        known = ", ".join(names) or "none"
        raise CommandError(
            ExitCode.USAGE, f"--replace NAME must say whose place --strategy takes; the session ran {known}"
        )
    return name


def other_strategy(text: str) -> Strategy:
    """MODULE:CLASS, with parameters as a JSON object in square brackets behind it where there are any."""
    path, bracket, rest = text.partition("[")
    try:
        params: Any = msgspec.json.decode(rest.removesuffix("]")) if bracket else {}
    except msgspec.DecodeError as error:
        raise CommandError(
            ExitCode.USAGE, f'--strategy: parameters: {error}; write them as MODULE:CLASS[{{"name": 1}}]'
        ) from None
    if not isinstance(params, dict):
        raise CommandError(ExitCode.USAGE, '--strategy: parameters are a JSON object: MODULE:CLASS[{"name": 1}]')
    try:
        return load_strategy(path, params)
    except StrategyLoadError as error:
        raise CommandError(ExitCode.CONFIG, f"--strategy: {error}") from None


def show(
    args: argparse.Namespace, name: str, parted: Difference | None, recorded: list[Result], ours: list[Result]
) -> None:
    """Where and why the strategies part, and what each made."""
    then_e8, now_e8 = total_e8(recorded, name), total_e8(ours, name)
    if args.json:
        fields = {
            "strategy": name,
            "parted": msgspec.to_builtins(parted),
            "recorded": [msgspec.to_builtins(row) | {"profit_e8": row.profit_e8} for row in recorded],
            "other": [
                msgspec.to_builtins(row) | {"profit_e8": row.profit_e8, "fills_are": fills_are(row)} for row in ours
            ],
            "difference_e8": now_e8 - then_e8,
        }
        print(json_line(fields))
        return
    if parted is None:
        print(f"{name}: the other strategy decides the same throughout; nothing was filled on paper")
    else:
        print(f"{name}: the strategies part here; what follows is filled on PAPER and never happened")
        print("\n".join(lines(parted)))
    print(table("recorded", recorded))
    print(table("other", ours))
    print(f"{name}: recorded {format_e8(then_e8)}, other {format_e8(now_e8)}, difference {format_e8(now_e8 - then_e8)}")


def fills_are(row: Result) -> str:
    """The label of the other strategy's fills."""
    return "recorded" if row.paper_fills == 0 else "PAPER" if row.paper_fills == row.fills else "recorded and PAPER"


def table(label: str, rows: list[Result]) -> str:
    """Results, a row a line."""
    return "\n".join(row_text(label, row) for row in rows) or f"  {label:8} no fill"


def row_text(label: str, row: Result) -> str:
    """One strategy in one instrument."""
    position = format_e8(row.position_lots * row.lot_size_e8)
    money = ", ".join(f"{name} {format_e8(getattr(row, f'{name}_e8'))}" for name in ("realised", "unrealised", "fees"))
    on_paper = f" ({row.paper_fills} of them on PAPER)" if row.paper_fills else ""
    return f"  {label:8} {row.strategy} {row.symbol}: {row.fills} fills{on_paper}, position {position}, {money}"
