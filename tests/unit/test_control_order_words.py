"""An operator's words become exactly what they say, or are refused with words; off the grid is never rounded."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.control.exact import even_part
from engine.control.messages import (
    Accepted,
    Amend,
    Cancel,
    ExitsText,
    Order,
    OrderText,
    Pause,
    Protect,
    Refused,
    Resume,
    Scope,
)
from engine.control.server import Caller
from engine.model.algo_terms import AlgoTerms, Iceberg, Peg, Pov, Shortfall, Sniper, Twap, Vwap
from engine.model.codes import (
    CommandKind,
    Contingency,
    OrderFlag,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    TrailKind,
    TriggerSource,
)
from engine.model.exact import WordError, bps, duration_ns, moment_ns, scaled
from engine.model.instructions import (
    Algo,
    Bracket,
    Change,
    Distance,
    Held,
    OrderList,
    OrderTerms,
    Protection,
    decode,
)
from engine.model.volume_profile import VolumeProfile
from tests.control_harness import FakeEngine

CALLER = Caller(uid=1000, pid=1)
BTC = Scope(symbol="BTCUSDT")
MINUTE_NS = 60 * 10**9


def refused(request: Any) -> str:
    engine = FakeEngine()
    reply = engine.control(request, CALLER)
    assert isinstance(reply, Refused)
    assert not engine.submitted
    return reply.text


def instructed(request: Any) -> Any:
    """The instruction that the command carries; its handle is the command's."""
    engine = FakeEngine()
    engine.tables.set_hedge(1, bool(request.position_side) if isinstance(request, (Order, Protect)) else False)
    reply = engine.control(request, CALLER)
    assert isinstance(reply, Accepted), reply
    [command] = engine.submitted
    wish = decode(command.detail)
    assert (command.kind, command.order_handle) == (CommandKind.INSTRUCT, wish.handle)
    assert reply.order_handle == wish.handle > 1 << 32
    return wish


def order(**words: Any) -> Order:
    fields: dict[str, Any] = {"scope": BTC, "side": "sell", "qty": "0.01"} | words
    return Order(**fields)


def held(**words: Any) -> OrderTerms:
    wish = instructed(order(**words))
    assert isinstance(wish, Held)
    assert wish.order.handle == wish.handle
    assert (wish.order.side, wish.order.qty_lots) == (Side.SELL, 1_000)
    return wish.order


def test_a_plain_order_is_a_plain_command() -> None:
    engine = FakeEngine()
    engine.control(order(price="30000.01", time_in_force="ioc", reduce_only=True), CALLER)
    [command] = engine.submitted
    assert (command.kind, command.detail) == (CommandKind.ORDER, b"")
    assert (command.price_ticks, command.qty_lots, command.time_in_force) == (3_000_001, 1_000, TimeInForce.IOC)
    assert (command.side, command.flags) == (Side.SELL, OrderFlag.REDUCE_ONLY)


@pytest.mark.parametrize(
    ("kind", "price", "code"),
    [
        ("stop", "", OrderType.STOP),
        ("stop-limit", "28990", OrderType.STOP_LIMIT),
        ("market-if-touched", "", OrderType.MARKET_IF_TOUCHED),
        ("take-profit", "", OrderType.MARKET_IF_TOUCHED),
        ("limit-if-touched", "28990", OrderType.LIMIT_IF_TOUCHED),
        ("take-profit-limit", "28990", OrderType.LIMIT_IF_TOUCHED),
    ],
)
def test_a_triggered_order_has_its_trigger_its_source_and_its_limit(kind: Any, price: str, code: OrderType) -> None:
    terms = held(order_type=kind, trigger="29000", trigger_by="mark", price=price)
    assert (terms.order_type, terms.trigger_ticks) == (code, 2_900_000)
    assert terms.trigger_source == TriggerSource.MARK
    assert terms.price_ticks == (2_899_000 if price else 0)


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [
        ("50bps", TrailKind.BPS, 50),
        ("0.5%", TrailKind.BPS, 50),
        ("20ticks", TrailKind.TICKS, 20),
        ("12.5", TrailKind.TICKS, 1_250),
    ],
)
def test_a_trailing_distance_is_basis_points_ticks_or_units_of_the_price(
    text: str, kind: TrailKind, amount: int
) -> None:
    terms = held(order_type="trailing-stop", trail=text, activate="31000")
    assert (terms.trail_kind, terms.trail_amount, terms.activation_ticks) == (kind, amount, 3_100_000)


def test_the_limit_of_a_trailing_sale_lies_below_its_trigger() -> None:
    terms = held(order_type="trailing-stop-limit", trail="1%", limit_offset="3ticks")
    assert (terms.order_type, terms.limit_offset_ticks) == (OrderType.TRAILING_STOP_LIMIT, -3)


def test_dates_displays_sides_and_flags_are_carried() -> None:
    terms = held(
        price="30000", time_in_force="gtd", expire="2096-11-22T10:00Z", display="0.002", position_side="long",
        emulated=True, post_only=True,
    )  # fmt: skip
    assert terms.expire_ns == 4004416800 * 10**9
    assert (terms.time_in_force, terms.display_lots) == (TimeInForce.GTD, 200)
    assert (terms.position_side, terms.flags) == (PositionSide.LONG, OrderFlag.EMULATED | OrderFlag.POST_ONLY)
    assert held(price="30000", time_in_force="gtd", expire="+30m").expire_ns > 0
    assert held(price="30000", time_in_force="day").time_in_force == TimeInForce.DAY


def test_closing_a_position_needs_no_quantity() -> None:
    wish = instructed(Order(scope=BTC, side="sell", order_type="stop", trigger="29000", close_position=True))
    assert (wish.order.qty_lots, wish.order.flags) == (0, OrderFlag.CLOSE_POSITION)


def test_an_oco_takes_what_is_not_said_from_the_first_order() -> None:
    leg = OrderText(order_type="stop-limit", trigger="29000", price="28990")
    wish = instructed(order(price="31000", contingency="oco", legs=(leg,)))
    assert isinstance(wish, OrderList)
    assert wish.contingency == Contingency.OCO
    assert [(terms.side, terms.qty_lots) for terms in wish.orders] == [(Side.SELL, 1_000)] * 2
    assert [terms.price_ticks for terms in wish.orders] == [3_100_000, 2_899_000]


def test_an_order_that_another_releases_is_of_the_other_side() -> None:
    legs = (OrderText(price="31000"), OrderText(order_type="stop", trigger="29000"))
    wish = instructed(order(side="buy", price="30000", contingency="otoco", legs=legs))
    assert [terms.side for terms in wish.orders] == [Side.BUY, Side.SELL, Side.SELL]


def test_a_bracket_has_its_entry_its_stop_and_shares_that_make_the_whole() -> None:
    exits = ExitsText(stop_loss="1%", take_profits=("31000@50%", "2%", "32000"), break_even="0.5%", trigger_by="mark")
    wish = instructed(order(side="buy", price="30000", exits=exits))
    assert isinstance(wish, Bracket)
    assert (wish.entry.side, wish.entry.price_ticks) == (Side.BUY, 3_000_000)
    assert wish.exits.stop is not None
    assert wish.exits.break_even is not None
    assert wish.exits.stop.distance == Distance(unit=TrailKind.BPS, amount=100)
    assert wish.exits.stop.trigger_source == TriggerSource.MARK
    assert wish.exits.break_even.after.amount == 50
    assert [target.share_bps for target in wish.exits.targets] == [5_000, 2_500, 2_500]
    assert [target.price_ticks for target in wish.exits.targets] == [3_100_000, 0, 3_200_000]


def test_three_equal_targets_leave_no_basis_point_over() -> None:
    wish = instructed(order(price="30000", exits=ExitsText(take_profits=("29000", "28000", "27000"))))
    assert [target.share_bps for target in wish.exits.targets] == [3_333, 3_333, 3_334]


def test_a_protection_is_the_positions() -> None:
    wish = instructed(Protect(scope=BTC, exits=ExitsText(stop_loss="trail:300ticks"), position_side="short"))
    assert isinstance(wish, Protection)
    assert wish.exits.stop is not None
    assert (wish.exits.stop.trail, wish.position_side) == (
        Distance(unit=TrailKind.TICKS, amount=300),
        PositionSide.SHORT,
    )


PROFILE = VolumeProfile(symbol="BTCUSDT", bin_ns=3_600 * 10**9, days=1, bins_e8=tuple(range(1, 25)))


@pytest.mark.parametrize(
    ("algo", "words", "terms"),
    [
        (
            "twap",
            {"duration": "10m", "slices": "20", "time-jitter": "25%"},
            Twap(duration_ns=10 * MINUTE_NS, slices=20, time_jitter_bps=2_500),
        ),
        (
            "pov",
            {"participation": "10%", "min-participation": "500bps", "max-child": "0.5"},
            Pov(participation_bps=1_000, min_bps=500, child_lots_max=50_000),
        ),
        ("iceberg", {"limit": "30000", "display": "0.001"}, Iceberg(limit_ticks=3_000_000, display_lots=100)),
        ("sniper", {"limit": "30000", "min-take": "0.1"}, Sniper(limit_ticks=3_000_000, take_lots_min=10_000)),
        (
            "peg",
            {"to": "mid", "offset": "-2ticks", "replace-every": "500ms", "post-only": "yes"},
            Peg(to="mid", offset_ticks=-2, replace_ns=5 * 10**8, post_only=True),
        ),
        ("peg", {"offset": "0.5"}, Peg(offset_ticks=50)),
        (
            "is",
            {"duration": "1h", "risk-aversion": "1e-6", "volatility": "0.95", "temporary-impact": "2.5e-6"},
            Shortfall(
                duration_ns=60 * MINUTE_NS,
                risk_aversion_e18=10**12,
                volatility_e8=95_000_000,
                temporary_impact_e18=25 * 10**11,
            ),
        ),
    ],
)  # fmt: skip
def test_an_algorithms_words_become_its_terms(algo: str, words: dict[str, str], terms: AlgoTerms) -> None:
    wish = instructed(order(algo=algo, algo_words=words))
    assert isinstance(wish, Algo)
    assert (wish.side, wish.qty_lots) == (Side.SELL, 1_000)
    assert msgspec.convert(wish.terms, AlgoTerms) == terms


def test_the_limit_price_and_the_display_quantity_are_the_orders_own_words_too() -> None:
    wish = instructed(order(algo="iceberg", price="30000", display="0.001"))
    assert msgspec.convert(wish.terms, AlgoTerms) == Iceberg(limit_ticks=3_000_000, display_lots=100)


def test_a_vwap_has_the_profiles_weights_from_now_on() -> None:
    profile = msgspec.json.encode(PROFILE).decode()
    wish = instructed(order(algo="vwap", algo_words={"duration": "4h", "slices": "8"}, profile=profile))
    terms = msgspec.convert(wish.terms, AlgoTerms)
    assert isinstance(terms, Vwap)
    assert len(terms.weights) == 8
    assert abs(sum(terms.weights) - 10**9) < 8
    assert "--profile" in refused(order(algo="vwap", algo_words={"duration": "4h"}))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"order_type": "stop"}, "trigger price"),
        ({"order_type": "stop", "trigger": "29000.005"}, "multiple of 0.01"),
        ({"order_type": "market", "trigger": "29000"}, "no trigger"),
        ({"order_type": "stop", "trigger": "29000", "price": "28000"}, "has no price"),
        ({"price": "30000", "trail": "1%"}, "belong to a trailing-stop"),
        ({"order_type": "trailing-stop"}, "needs its distance"),
        ({"order_type": "trailing-stop", "trail": "x"}, "plain decimal digits"),
        ({"price": "30000", "time_in_force": "gtd"}, "go together"),
        ({"price": "30000", "expire": "+1h"}, "go together"),
        ({"price": "30000", "time_in_force": "gtd", "expire": "2001-01-01T00:00Z"}, "is past"),
        ({"price": "30000", "time_in_force": "gtd", "expire": "2126-01-01T00:00"}, "has no zone"),
        ({"qty": ""}, "quantity is needed"),
        ({}, "needs a price"),
        ({"price": "30000", "display": "0.01"}, "smaller than the whole"),
        ({"price": "30000", "contingency": "oco"}, "one more order"),
        ({"price": "30000", "exits": ExitsText()}, "neither a stop nor a target"),
        ({"price": "30000", "exits": ExitsText(take_profits=("29000@80%", "28000@30%"))}, "more than the whole"),
        ({"price": "30000", "exits": ExitsText(take_profits=("29000",), break_even="1%")}, "belong to a stop loss"),
        ({"algo": "twap"}, "needs --duration"),
        ({"algo": "magic"}, "unknown algorithm"),
        ({"algo": "twap", "algo_words": {"duration": "10m", "depth": "3"}}, "knows no 'depth'"),
        ({"algo": "twap", "algo_words": {"duration": "soon"}}, "must be a time"),
        ({"algo": "twap", "algo_words": {"duration": "10m", "slices": "0"}}, "slices '0' is too small: at least 1"),
        ({"algo": "twap", "algo_words": {"duration": "10m", "slices": "2000"}}, "too large: at most 1000"),
        ({"algo": "twap", "algo_words": {"duration": "9d"}}, "duration '9d' is too large: at most 7d"),
        ({"algo": "twap", "algo_words": {"duration": "10m", "time-jitter": "101%"}}, "too large: at most 100%"),
        ({"algo": "pov", "algo_words": {"participation": "200%"}}, "participation '200%' is too large: at most 100%"),
        ({"algo": "pov", "algo_words": {"participation": "0%"}}, "participation '0%'"),
        ({"algo": "peg", "algo_words": {"tolerance": "0ticks"}}, "tolerance '0ticks' is too small: at least 1ticks"),
        ({"algo": "iceberg", "price": "30000", "algo_words": {"display": "0"}}, "out of range"),
        ({"algo": "twap", "algo_words": {"duration": "10m", "style": "gentle"}}, "one of take, join"),
        ({"algo": "twap", "algo_words": {"duration": "1ms", "slices": "10"}}, "millisecond"),
        ({"algo": "twap", "algo_words": {"duration": "10m"}, "trigger": "29000"}, "has no trigger"),
        ({"algo": "sniper"}, "needs --price"),
        ({"algo": "twap", "exits": ExitsText(stop_loss="1%")}, "exclude one another"),
    ],
)
def test_what_does_not_fit_is_refused_in_words_and_nothing_is_journaled(words: dict[str, Any], told: str) -> None:
    assert told in refused(order(**words))


def test_amending_names_the_order_its_symbol_and_what_changes() -> None:
    engine = FakeEngine()
    request = Amend(scope=Scope(order="07Client1"), symbol="BTCUSDT", price="30001", trigger="29000")
    assert isinstance(engine.control(request, CALLER), Accepted)
    [command] = engine.submitted
    assert (command.kind, command.order_handle) == (CommandKind.AMEND, (5 << 32) + 1)
    assert (command.instrument_id, command.price_ticks, command.qty_lots) == (1, 3_000_100, 0)
    assert "nothing is to be amended" in refused(Amend(scope=Scope(order="07Client1"), symbol="BTCUSDT"))
    assert "about one order" in refused(Amend(scope=BTC, symbol="BTCUSDT", price="1"))


@pytest.mark.parametrize(("kind", "action"), [(Pause, "pause"), (Resume, "resume")])
def test_a_parent_is_paused_and_resumed_by_its_handle(kind: Any, action: str) -> None:
    wish = instructed(kind(scope=Scope(order=str((4 << 32) + 9))))
    assert wish == Change(handle=(4 << 32) + 9, action=action)  # type: ignore[arg-type]


def test_a_cancel_of_a_tree_is_a_cancel_by_handle() -> None:
    engine = FakeEngine()
    engine.control(Cancel(scope=Scope(order=str((4 << 32) + 9))), CALLER)
    assert (engine.submitted[0].kind, engine.submitted[0].order_handle) == (CommandKind.CANCEL, (4 << 32) + 9)


@pytest.mark.parametrize(
    ("text", "ns"), [("90s", 90 * 10**9), ("1h30m", 5_400 * 10**9), ("250ms", 250 * 10**6), ("2d", 172_800 * 10**9)]
)
def test_durations(text: str, ns: int) -> None:
    assert duration_ns(text, "duration") == ns


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "1.5h", "0s", "-5m", "5m!"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(WordError, match="must be"):
        duration_ns(text, "duration")


def test_shares_scales_and_moments_are_exact_or_refused() -> None:
    assert (bps("0.05%", "share"), bps("12bps", "share")) == (5, 12)
    assert (scaled("2.5e-6", 18, "x"), scaled("3", 2, "x"), scaled("1.20e2", 0, "x")) == (2_500_000_000_000, 300, 120)
    assert moment_ns("1970-01-01T01:00:00.000001+01:00", "date") == 1_000
    for share in ("0.005%", "5", "-1%", "x%"):
        with pytest.raises(WordError):
            bps(share, "x")
    for number in ("1e-19", "-1", "one"):
        with pytest.raises(WordError):
            scaled(number, 18, "x")


@pytest.mark.parametrize(
    ("lots", "most", "part"), [(501, 500, 251), (501, 250, 167), (500, 500, 500), (7, 500, 7), (3, 1, 1)]
)
def test_parts_are_alike_so_that_no_dust_is_left(lots: int, most: int, part: int) -> None:
    assert even_part(lots, most) == part
