"""The prompt of `tradewind replay --step` and `--break`: turn by turn, with a look at the state between."""

from __future__ import annotations

import shlex
import sys

from engine.cli.replay import handle_of, outcome_lines, state_lines
from engine.exit_codes import CommandError, ExitCode
from engine.replay.playing import Outcome, Player
from engine.replay.state import SECTIONS, time_of

HELP = f"""\
step [N]        N turns (1); an empty line repeats it
until SEQ       up to a sequence
go              to the next turn that touches the watched order, or to the end
watch ORDER     the order to stop for, by any of its names; 0 = none
next            the input that comes next
show [SECTION]  the state: {", ".join(SECTIONS)}; all of it where none is named
quit"""


def words_of(line: str) -> list[str]:
    """The words of a line; a quotation mark that is not closed is a letter."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


class Prompt:
    """Reads commands from stdin until the end of the session, of stdin, or `quit`."""

    def __init__(self, player: Player) -> None:
        self.player, self.session = player, player.replay.recording.session
        self.outcome: Outcome | None = None

    def run(self, *, is_stepping: bool) -> int:
        """The prompt's life; 1 where a difference was found."""
        if not is_stepping:
            self.place()
        while not self.player.is_at_end:
            try:
                line = input("replay> ") if sys.stdin.isatty() else sys.stdin.readline()
            except EOFError:
                break
            if not line and not sys.stdin.isatty():
                break
            if not self.obey(words_of(line) or ["step"]):
                break
        if self.player.is_at_end and self.outcome is not None:
            print("\n".join(outcome_lines(self.outcome, 0.0)))
        return ExitCode.REFUSED if self.player.differences else ExitCode.OK

    def obey(self, words: list[str]) -> bool:
        """One command; False ends the prompt."""
        verb, *rest = words
        number = int(rest[0]) if rest and rest[0].isdecimal() else 0
        if verb in ("quit", "q", "exit"):
            return False
        if verb in ("step", "s"):
            self.play(runs_max=number or 1)
        elif verb in ("until", "u") and number:
            self.play(until_seq=number)
        elif verb in ("go", "g", "continue", "c"):
            self.play()
        elif verb == "watch" and rest:
            self.watch(rest[0])
        elif verb in ("next", "n"):
            self.show_next()
        elif verb == "show":
            self.show(rest)
        else:
            print(HELP)
        return True

    def watch(self, order: str) -> None:
        """Stop for an order, by whatever name; 0 = for none."""
        try:
            handle = 0 if order == "0" else handle_of(order, self.player.replay.recording.data_dir)
        except CommandError as error:
            print(error)
            return
        self.session.watch(handle)

    def play(self, *, runs_max: int = 0, until_seq: int = 0) -> None:
        """On, and where that led."""
        known = len(self.player.differences)
        self.outcome = self.player.play(runs_max=runs_max, until_seq=until_seq, keeps_going=True)
        if len(self.player.differences) > known:
            from engine.replay.differences import lines

            for difference in self.player.differences[known:]:
                print("\n".join(lines(difference)))
        self.place()

    def place(self) -> None:
        """Where the session stands."""
        counts = self.session.counts()
        print(f"behind sequence {self.session.passed_seq}, {time_of(self.session.wall_ns)}, turn {counts['runs']}")

    def show_next(self) -> None:
        """The next recorded input, by its fields."""
        from engine.journal.cursor import parse
        from engine.journal.decode import as_dict

        head = self.session.head
        print(as_dict(parse(head)[0]) if head else "the session ends here")

    def show(self, names: list[str]) -> None:
        """Sections of the state."""
        chosen = [name for name in names if name in SECTIONS] or list(SECTIONS)
        core = self.player.replay.engine
        print("\n".join(state_lines({name: SECTIONS[name](core) for name in chosen})))
