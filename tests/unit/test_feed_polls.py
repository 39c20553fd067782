"""REST polls: paced, within the weight, recorded like frames, and never the same answer twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from engine.feed.polls import PollKeeper
from engine.model.codes import Counter, RecordKind
from engine.model.instruments import InstrumentSpec
from engine.model.subscriptions import parse_subscription
from engine.runtime.clock import Clock
from engine.runtime.net import HttpResponse, NetError
from engine.venues.binance.rest_market import RestMarket
from engine.venues.binance.statistics import PollSource, StreamSource, futures_source, spot_source, wanted_of
from tests.feed_harness import FeedHarness

SPEC = InstrumentSpec(
    venue_id=1,
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    tick_size_e8=10_000_000,
    lot_size_e8=100_000,
    kind=1,
)


def poll_of(word: str) -> PollSource:
    source = futures_source(parse_subscription(word))
    assert isinstance(source, PollSource)
    return source


class Answers:
    """A venue that gives one body after the other and remembers what it was asked."""

    def __init__(self, *bodies: bytes | Exception) -> None:
        self.bodies = list(bodies)
        self.asked: list[tuple[str, dict[str, str], int]] = []
        self.done = asyncio.Event()

    async def __call__(self, path: str, query: Mapping[str, str], weight: int) -> bytes:
        self.asked.append((path, dict(query), weight))
        if len(self.asked) >= len(self.bodies):
            self.done.set()
        body = self.bodies[min(len(self.asked), len(self.bodies)) - 1]
        if isinstance(body, Exception):
            raise body
        return body


def run_polls(word: str, *bodies: bytes | Exception) -> tuple[FeedHarness, Answers, PollKeeper]:
    """Ask until every body was given, at a pace that no test waits for."""
    harness = FeedHarness(SPEC, connects=False)
    source = poll_of(word)
    quick = PollSource(source.code, source.path, source.query, 0.0, source.weight, source.is_history)

    async def scenario() -> tuple[Answers, PollKeeper]:
        answers = Answers(*bodies)
        keeper = PollKeeper(
            clock=Clock(), pipeline=harness.pipeline, session=harness.make_session(90), polls=[(quick, "BTCUSDT", 1)],
            fetch=answers, expected=(NetError,), polls_per_s=1000.0,
        )  # fmt: skip
        task = asyncio.create_task(keeper.run())
        async with asyncio.timeout(20):
            await answers.done.wait()
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return answers, keeper

    answers, keeper = asyncio.run(scenario())
    return harness, answers, keeper


def interest(value: str, at: int) -> bytes:
    return json.dumps({"openInterest": value, "symbol": "BTCUSDT", "time": at}).encode()


def test_bodies_become_records_that_reach_the_strategies_ring() -> None:
    harness, answers, keeper = run_polls("open_interest", interest("1.5", 1), interest("2.5", 2))
    assert [event["kind"] for event in harness.events()] == [RecordKind.OPEN_INTEREST] * 2
    assert answers.asked[0] == ("/fapi/v1/openInterest", {"symbol": "BTCUSDT"}, 1)
    assert keeper.recorded == 2


def test_the_same_answer_is_not_recorded_again() -> None:
    harness, answers, keeper = run_polls("top_trader_accounts", b"[]", b"[]", b"[]")
    assert len(answers.asked) >= 3
    assert keeper.recorded == 1
    assert harness.events() == []


def test_settled_funding_is_asked_for_from_behind_the_last_one_on() -> None:
    def row(at: int) -> dict[str, object]:
        return {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": at, "markPrice": "1"}

    history = json.dumps([row(1000), row(2000)]).encode()
    harness, answers, keeper = run_polls("funding", history, b"[]", json.dumps([row(3000)]).encode(), b"[]")
    assert [query.get("startTime") for _, query, _ in answers.asked[:4]] == [None, "2001", "2001", "3001"]
    assert [event["kind"] for event in harness.events()] == [RecordKind.FUNDING_RATE] * 2
    assert keeper.recorded == 2


def test_a_malformed_answer_is_quarantined_and_counted_and_the_book_stays() -> None:
    harness, _, keeper = run_polls("open_interest", b'{"openInterest":"x"}')
    assert harness.count(Counter.MALFORMED_FRAMES) >= 1
    assert harness.events() == []
    assert keeper.errors == 0


def test_a_failed_poll_is_counted_and_waits_before_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.feed.polls.RETRY_S", 0.0)
    _, answers, keeper = run_polls("open_interest", NetError("gone"), interest("1", 1))
    assert keeper.errors == 1
    assert keeper.last_error == "/fapi/v1/openInterest of BTCUSDT: gone"
    assert keeper.recorded == 1
    assert len(answers.asked) >= 2


class _Http:
    """Replies with a used weight."""

    def __init__(self, weights: list[int]) -> None:
        self.weights = weights
        self.targets: list[str] = []

    async def request(self, _method: str, target: str, **_options: Any) -> HttpResponse:
        self.targets.append(target)
        weight = self.weights.pop(0)
        return HttpResponse(status=200, headers={"x-mbx-used-weight-1m": str(weight)}, body=b"{}")


def test_what_can_wait_waits_while_half_of_the_minutes_weight_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, http, slept = Clock.virtual(), _Http([3_000, 3_000, 3]), []
    rest = RestMarket(http, clock)  # type: ignore[arg-type]

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(int(seconds * 1e9))

    monkeypatch.setattr("engine.venues.binance.rest_market.asyncio.sleep", sleep)

    async def scenario() -> None:
        await rest.poll("/x", {"symbol": "BTCUSDT"}, 1)
        await rest.depth("BTCUSDT", 1000)  # a snapshot may use more
        assert slept == []
        await rest.poll("/x", {}, 2)

    asyncio.run(scenario())
    assert len(slept) == 1
    assert 0 < slept[0] <= 60.0
    assert rest.weight_now() == 3


def test_only_what_somebody_asks_for_is_subscribed_each_stream_once() -> None:
    asked = []
    for word, symbols in (
        ("kline_1m", ["BTCUSDT", "ETHUSDT"]),
        ("kline_1m", ["BTCUSDT"]),
        ("all_tickers", ["BTCUSDT", "ETHUSDT"]),
    ):
        row = parse_subscription(word)
        source = futures_source(row)
        assert isinstance(source, StreamSource)
        asked.append((source, row, symbols))
    wanted = wanted_of(asked)
    assert wanted.streams == {"/market/stream": ("btcusdt@kline_1m", "ethusdt@kline_1m", "!ticker@arr")}
    assert wanted_of([]).streams == {}


def test_what_a_market_has_not_is_known() -> None:
    spot = ("mark_price", "funding", "open_interest", "liquidations", "all_tickers", "taker_volume")
    assert all(spot_source(parse_subscription(word)) is None for word in spot)
    assert futures_source(parse_subscription("kline_1s")) is None
    assert spot_source(parse_subscription("kline_1s")) is not None
