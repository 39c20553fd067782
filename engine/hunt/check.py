"""What a checker is: it looks on at a hunt and raises Violation for what may never be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from engine.hunt.ledger import Entry
from engine.hunt.wire import Request

if TYPE_CHECKING:
    from engine.hunt.run import Hunt


class Violation(Exception):
    """An invariant does not hold: its id, the checker's name, what was seen."""

    def __init__(self, invariant: str, check: str, text: str) -> None:
        super().__init__(f"{invariant} ({check}): {text}")
        self.invariant, self.check, self.text = invariant, check, text

    def key(self) -> str:
        """What stays the same when a schedule is cut down."""
        return f"{self.invariant} {self.check}"


class Check:
    """One invariant's checker; `invariants` names what it guards. Override what it wants to hear."""

    invariants: ClassVar[tuple[str, ...]] = ()
    name: ClassVar[str] = ""

    def __init__(self, hunt: Hunt) -> None:
        self.hunt = hunt

    def fail(self, text: str, invariant: str = "") -> Violation:
        """The violation to raise."""
        return Violation(invariant or self.invariants[0], self.name, text)

    def on_request(self, request: Request) -> None:
        """The engine is about to send; its tables are those that let it."""

    def on_venue(self, events: Sequence[object]) -> None:
        """The venue's core did something, and has not told anybody yet."""

    def on_entry(self, entry: Entry) -> None:
        """A record of the ledger, in its order; up to a second late."""

    def on_command(self, what: str, sequence: int, fields: dict[str, Any]) -> None:
        """A person's command stands in the journal."""

    def on_start(self) -> None:
        """An engine has recovered and begins."""

    def on_end(self, why: str) -> None:
        """An engine's life ends; its tables are still there."""

    def each_second(self) -> None:
        """Once a second, between events."""

    def at_quiet(self) -> None:
        """The end of a calm: everything must be whole."""

    def at_end(self) -> None:
        """The end of the run."""
