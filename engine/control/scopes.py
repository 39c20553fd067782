"""Which scopes a command has: it is never carried out wider than it was asked."""

from __future__ import annotations

from engine.control.exact import bad
from engine.control.messages import (
    Amend,
    AnyRequest,
    Arm,
    Flatten,
    Hedge,
    Kill,
    Order,
    Pause,
    Protect,
    Reconcile,
    Resume,
    ScopeKind,
    Stop,
)

STRATEGIES = (ScopeKind.ALL, ScopeKind.STRATEGY, ScopeKind.ORDER)
ACCOUNTS = (ScopeKind.ALL, ScopeKind.VENUE, ScopeKind.ACCOUNT)


def check_scope(request: AnyRequest, kind: int) -> None:
    """Commands that are about one kind of thing refuse another. Raises RefusedCommandError."""
    if isinstance(request, (Pause, Resume)) and kind not in STRATEGIES:
        raise bad("pause and resume are about strategies, or about one parent order")
    if isinstance(request, Stop) and kind != ScopeKind.ALL:
        raise bad("this command is about the whole engine: give no scope")
    if isinstance(request, Reconcile) and kind not in (ACCOUNTS + (ScopeKind.INSTRUMENT,) * request.adopt):
        raise bad("an account is read as a whole: name a venue or an account (a symbol only with --adopt)")
    if isinstance(request, (Kill, Arm, Flatten)) and kind == ScopeKind.ORDER:
        raise bad("one order is not a scope of this command: use cancel")
    if isinstance(request, Flatten) and kind == ScopeKind.STRATEGY:
        raise bad("positions are the account's, not a strategy's: flatten a symbol, or everything")
    if isinstance(request, (Order, Protect, Hedge)) and kind != ScopeKind.INSTRUMENT:
        raise bad("an order needs a symbol and no other scope")
    if isinstance(request, Amend) and kind != ScopeKind.ORDER:
        raise bad("an amendment is about one order")
