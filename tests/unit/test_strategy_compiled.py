"""A compiled strategy hears and asks through the same runner, without Python in between."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.codes import BookState, IntentAction
from engine.strategy.loader import StrategyLoadError, subscriptions_of
from engine.strategy.rehearsal import Rehearsal
from engine.strategy.responder import Responder
from tests.strategy_harness import ASKS, BIDS, BTC, Noting


def test_it_answers_beside_a_python_strategy() -> None:
    compiled, noting = Responder(5, behind_ticks=2, every=2), Noting()
    stage = Rehearsal([compiled, noting], [BTC])
    for _ in range(4):
        stage.book("BTCUSDT", BIDS, ASKS)
        stage.run()
    assert noting.names() == ["start", "book", "book", "book", "book"]
    assert compiled.answered == 2
    actions = [(i["action"], i["price_ticks"], i["qty_lots"]) for i in stage.intents()]
    submit = (IntentAction.SUBMIT, 98, 5)
    assert actions == [submit, (IntentAction.CANCEL, 0, 0), submit]


def test_it_leaves_books_alone_that_are_not_valid() -> None:
    compiled = Responder(5)
    stage = Rehearsal([compiled], [BTC])
    stage.book("BTCUSDT", BIDS, ASKS, BookState.INVALID)
    stage.book("BTCUSDT", [], ASKS)
    stage.run()
    assert (compiled.answered, stage.intents()) == (0, [])


@pytest.mark.parametrize("arguments", [(0,), (1, -1), (1, 0, 0)])
def test_settings_that_make_no_sense_are_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Responder(*arguments)


def test_it_needs_to_name_no_subscriptions_and_is_refused_those_that_it_cannot_hear() -> None:
    compiled: Any = Responder(5)
    assert subscriptions_of(compiled, ()) == ()
    with pytest.raises(StrategyLoadError, match="on_mark_price, which Responder has not"):
        subscriptions_of(compiled, ["mark_price"])
