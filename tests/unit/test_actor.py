"""A pipeline polls its actors in order until a whole round does nothing."""

from __future__ import annotations

import pytest

from engine.runtime.actor import Actor, Pipeline


def test_an_actor_has_its_name_and_has_done_nothing() -> None:
    actor = Actor("book")
    assert (actor.name, actor.polls, actor.work) == ("book", 0, 0)


def test_an_actor_that_forgot_its_work_says_so() -> None:
    with pytest.raises(TypeError, match="book: do_work is missing"):
        Actor("book").step()


def test_a_pipeline_takes_only_actors() -> None:
    with pytest.raises(TypeError, match="is not an Actor"):
        Pipeline([Actor("book"), object()])  # type: ignore[list-item]


def test_a_pipeline_keeps_the_order_it_was_given() -> None:
    actors = (Actor("sequencer"), Actor("book"), Actor("oms"))
    assert Pipeline(actors).actors == actors


def test_an_empty_pipeline_is_at_rest() -> None:
    assert Pipeline([]).run_to_completion() == 0


def test_an_error_of_an_actor_leaves_the_pipeline_able_to_run() -> None:
    pipeline = Pipeline([Actor("broken")])
    for _ in range(2):
        with pytest.raises(TypeError, match="broken"):
            pipeline.run_to_completion()
    assert pipeline.rounds == 0
