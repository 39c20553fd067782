"""Latency, loss, silence and damage on the venue's connections: what a client sees of each, in virtual time."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from engine.sim.wire import fault_commands as commands
from engine.sim.wire.api_session import ApiSession
from engine.sim.wire.fault_desk import obey
from engine.sim.wire.rest_session import RestSession
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.stream_session import StreamSession
from tests.contract.venue_wire.test_venue_sessions import START, MemoryLink, Wire
from tests.venue_harness import FAR_BUY, SECRET, hmac_hex, make_shell
from tests.venue_harness import KEY as API_KEY

MS = 1_000_000


def api_session(shell: VenueShell, link: MemoryLink) -> ApiSession:
    return ApiSession(shell, link, MS, shell.now_ns, "here")


def stream_session(shell: VenueShell, link: MemoryLink, names: tuple[str, ...] = ()) -> StreamSession:
    return StreamSession(shell, link, MS, shell.now_ns, False, list(names))


def receive(session: ApiSession | StreamSession, text: bytes) -> None:
    """As the server hands a received frame over."""
    session.arrive(lambda now_ns: session.on_text(text, now_ns))


def ping(number: int) -> bytes:
    return b'{"id":%d,"method":"ping"}' % number


def signed(shell: VenueShell, number: int, method: str, **params: Any) -> bytes:
    full = {**params, "apiKey": API_KEY, "timestamp": shell.now_ns // MS}
    text = "&".join(f"{name}={full[name]}" for name in sorted(full))
    request = {"id": number, "method": method, "params": {**full, "signature": hmac_hex(text, SECRET)}}
    return json.dumps(request).encode()


def ids(link: MemoryLink) -> list[Any]:
    return [json.loads(text).get("id") for text in link.texts]


def events(link: MemoryLink) -> list[str]:
    """Execution ids and names of user events, as they came."""
    found = [json.loads(text)["event"] for text in link.texts if b'"subscriptionId"' in text and b'"event"' in text]
    return [f"{event['e']}:{event.get('c', '')}" for event in found]


def settle(shell: VenueShell, milliseconds: float) -> None:
    shell.begin(shell.now_ns + int(milliseconds * MS))
    shell.finish()


@pytest.fixture
def shell() -> VenueShell:
    return make_shell(start_ns=START)


@pytest.fixture
def link() -> MemoryLink:
    return MemoryLink()


def arm(shell: VenueShell, verb: str, **fields: Any) -> dict[str, object]:
    return obey(shell, msgspec.convert({"cmd": verb, **fields}, commands.AnyCommand), shell.now_ns)


def test_latency_holds_messages_each_way_and_keeps_their_order(shell: VenueShell, link: MemoryLink) -> None:
    session = api_session(shell, link)
    arm(shell, "latency", kind="ws-api", to_venue_ms=40, from_venue_ms=20, jitter_ms=30)
    for number in range(20):
        receive(session, ping(number))
        settle(shell, 1)
    settle(shell, 18)
    assert shell.requests == 0
    settle(shell, 60)
    assert shell.requests == 20
    assert len(link.texts) < 20
    settle(shell, 50)
    assert ids(link) == list(range(20))


def test_messages_after_a_latency_ends_do_not_overtake_those_under_way(shell: VenueShell, link: MemoryLink) -> None:
    session = api_session(shell, link)
    arm(shell, "latency", from_venue_ms=100)
    receive(session, ping(1))
    arm(shell, "reset")
    receive(session, ping(2))
    assert link.texts == []
    settle(shell, 100)
    assert ids(link) == [1, 2]


def test_a_latency_of_one_kind_leaves_the_others_alone(shell: VenueShell, link: MemoryLink) -> None:
    arm(shell, "latency", kind="stream", from_venue_ms=100)
    receive(api_session(shell, link), ping(1))
    other = MemoryLink()
    receive(stream_session(shell, other), b'{"id":1,"method":"LIST_SUBSCRIPTIONS"}')
    assert (ids(link), other.texts) == ([1], [])


@pytest.mark.parametrize(("way", "requests"), [("to-venue", 2), ("from-venue", 5)])
def test_the_next_messages_are_lost_on_the_way_that_was_named(
    shell: VenueShell, link: MemoryLink, way: str, requests: int
) -> None:
    session = api_session(shell, link)
    arm(shell, "drop", kind="ws-api", way=way, count=3)
    for number in range(5):
        receive(session, ping(number))
    assert ids(link) == [3, 4]
    assert shell.requests == requests


def test_the_dice_of_a_fraction_are_seeded(shell: VenueShell) -> None:
    def lost(seed_shell: VenueShell) -> list[Any]:
        memory = MemoryLink()
        session = api_session(seed_shell, memory)
        arm(seed_shell, "drop", kind="ws-api", way="both", fraction=0.3)
        for number in range(200):
            receive(session, ping(number))
        return ids(memory)

    first = lost(shell)
    assert first == lost(make_shell(start_ns=START))
    assert 60 < len(first) < 140  # 0.7 * 0.7 of 200, by these dice


def test_a_rest_connection_that_lost_a_message_is_silent_and_another_is_not(shell: VenueShell) -> None:
    arm(shell, "drop", kind="rest", way="to-venue", count=1)
    lost, other = Wire(), Wire()
    session = RestSession(shell, lost, "here")
    for _ in range(2):
        session.on_bytes(b"GET /api/v3/ping HTTP/1.1\r\n\r\n", shell.now_ns)
    RestSession(shell, other, "here").on_bytes(b"GET /api/v3/ping HTTP/1.1\r\n\r\n", shell.now_ns)
    assert (lost.data, lost.closed) == (b"", False)
    assert other.data.startswith(b"HTTP/1.1 200 ")


def test_a_half_open_connection_neither_speaks_nor_ends_and_a_new_one_lives(
    shell: VenueShell, link: MemoryLink
) -> None:
    session = api_session(shell, link)
    arm(shell, "half_open", kind="ws-api")
    receive(session, ping(1))
    session.arrive(lambda now_ns: session.on_ping(b"x", now_ns))
    for _ in range(90):
        settle(shell, 1_000)
    assert (link.texts, link.pings, link.pongs, link.closed, link.aborted) == ([], [], [], None, False)
    fresh = MemoryLink()
    receive(api_session(shell, fresh), ping(2))
    assert ids(fresh) == [2]


def test_new_connections_are_as_dead_when_asked(shell: VenueShell, link: MemoryLink) -> None:
    arm(shell, "half_open", new=True, for_s=2)
    session = api_session(shell, link)
    receive(session, ping(1))
    settle(shell, 2_000)
    receive(session, ping(2))
    assert ids(link) == [2]


@pytest.mark.parametrize("mode", ["cut", "garbage", "types", "huge", "binary", "utf8"])
def test_damaged_replies_are_what_their_mode_says(shell: VenueShell, link: MemoryLink, mode: str) -> None:
    arm(shell, "malformed", target="ws-api", mode=mode, count=1)
    session = api_session(shell, link)
    receive(session, ping(7))
    receive(session, ping(8))
    good = link.texts.pop()
    assert json.loads(good)["id"] == 8
    if mode == "binary":
        assert json.loads(link.binaries[0])["id"] == 7
        return
    (bad,) = link.texts
    if mode == "types":
        assert json.loads(bad)["id"] == [7]
    elif mode == "huge":
        assert len(bad) > 1 << 20
        assert json.loads(bad)["id"] == 7
    else:
        with pytest.raises((UnicodeDecodeError, json.JSONDecodeError)):
            json.loads(bad)
        assert (len(bad) < len(good)) is (mode == "cut")


def test_damage_aims_at_user_events_market_frames_and_bodies_apart(link: MemoryLink) -> None:
    shell = make_shell(start_ns=START, activity=20.0)
    session, market, wire = api_session(shell, link), MemoryLink(), Wire()
    stream_session(shell, market, ("btcusdt@bookTicker",))
    for target in ("user", "stream", "rest"):
        arm(shell, "malformed", target=target, mode="cut", count=1)
    receive(session, signed(shell, 1, "userDataStream.subscribe.signature"))
    receive(session, signed(shell, 2, "order.place", **FAR_BUY))
    settle(shell, 3_000)
    RestSession(shell, wire, "here").on_bytes(b"GET /api/v3/time HTTP/1.1\r\n\r\n", shell.now_ns)
    assert [is_json(text) for text in link.texts[:4]] == [True, True, False, True]
    assert [is_json(text) for text in market.texts].count(False) == 1
    assert not is_json(wire.data.partition(b"\r\n\r\n")[2])


def is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError):
        return False
    return True


def test_the_end_of_24_hours_comes_at_will(shell: VenueShell, link: MemoryLink) -> None:
    api_session(shell, link)
    arm(shell, "session_cap", seconds=5, kind="ws-api")
    market = MemoryLink()
    stream_session(shell, market)
    for _ in range(7):
        settle(shell, 1_000)
    assert (link.closed, market.closed) == (1001, None)


@pytest.mark.invariant("R15")
def test_user_data_ends_without_a_drop(shell: VenueShell, link: MemoryLink) -> None:
    session = api_session(shell, link)
    receive(session, signed(shell, 1, "userDataStream.subscribe.signature"))
    assert arm(shell, "end_user_streams") == {"ended": 1}
    receive(session, signed(shell, 2, "order.place", **FAR_BUY))
    assert events(link) == ["eventStreamTerminated:"]
    assert json.loads(link.texts[-1])["status"] == 200
    assert link.closed is None
    receive(session, signed(shell, 3, "userDataStream.subscribe.signature"))
    assert json.loads(link.texts[-1])["result"] == {"subscriptionId": 1}


@pytest.mark.invariant("R11")
def test_a_user_event_can_be_overtaken_by_the_next(shell: VenueShell, link: MemoryLink) -> None:
    session = api_session(shell, link)
    receive(session, signed(shell, 1, "userDataStream.subscribe.signature"))
    arm(shell, "reorder_user_events", count=1)
    receive(session, signed(shell, 2, "order.place", newClientOrderId="first", **FAR_BUY))
    shell.finish()
    assert events(link) == ["outboundAccountPosition:", "executionReport:first"]
    arm(shell, "reorder_user_events", count=2)
    receive(session, signed(shell, 3, "order.place", newClientOrderId="second", **FAR_BUY))
    shell.finish()
    receive(session, signed(shell, 4, "order.place", newClientOrderId="third", **FAR_BUY))
    shell.finish()
    assert events(link)[2:] == [f"{kind}:{name}" for name in ("second", "third")
                                for kind, name in (("outboundAccountPosition", ""), ("executionReport", name))]  # fmt: skip


def test_a_held_event_leaves_by_itself(shell: VenueShell, link: MemoryLink) -> None:
    session = api_session(shell, link)
    session.deliver_event(b"one")
    arm(shell, "reorder_user_events", count=1)
    session.deliver_event(b"two")
    settle(shell, 299)
    assert link.texts == [b"one"]
    settle(shell, 1)
    assert link.texts == [b"one", b"two"]


def test_a_share_of_user_events_is_lost(shell: VenueShell, link: MemoryLink) -> None:
    session = api_session(shell, link)
    arm(shell, "mute_user_events", count=0, fraction=0.5)
    arm(shell, "duplicate_user_events", fraction=0.5)
    for number in range(100):
        session.deliver_event(b"%d" % number)
    kept = dict.fromkeys(link.texts)
    assert 30 < len(kept) < 70
    assert len(kept) < len(link.texts) < 2 * len(kept)
    assert link.texts == sorted(link.texts, key=int)


@pytest.mark.invariant("R17")
@pytest.mark.parametrize("status", [429, 418])
def test_a_client_told_to_be_quiet_is_refused_and_counted_until_it_was(
    shell: VenueShell, link: MemoryLink, status: int
) -> None:
    arm(shell, "limited", status=status, retry_after_s=3)
    session, wire = api_session(shell, link), Wire()
    receive(session, ping(1))
    reply = json.loads(link.texts[-1])
    assert (reply["status"], reply["error"]["code"]) == (status, -1003)
    assert reply["error"]["data"]["retryAfter"] == (shell.now_ns + 3_000 * MS) // MS
    settle(shell, 1_000)
    rest = RestSession(shell, wire, "here")
    rest.on_bytes(b"GET /api/v3/ping HTTP/1.1\r\n\r\n", shell.now_ns)
    assert wire.data.startswith(b"HTTP/1.1 %d " % status)
    assert b"Retry-After: 2\r\n" in wire.data
    assert shell.limits.rows()["here"]["inside_retry_after"] == 1
    settle(shell, 2_000)
    receive(session, ping(2))
    assert json.loads(link.texts[-1])["status"] == 200
    assert shell.limits.rows()["here"] | {"weight_used": 0, "raw_used": 0} == {
        "weight_used": 0, "weight_limit": 6000, "raw_used": 0, "refusals": 2, "inside_retry_after": 1,
    }  # fmt: skip


@pytest.mark.invariant("R09")
@pytest.mark.parametrize("flaw", ["crossed", "locked", "zero-price", "negative-price", "negative-qty", "jump"])
def test_published_books_show_the_flaw_and_are_put_right(link: MemoryLink, flaw: str) -> None:
    shell = make_shell(start_ns=START, activity=10.0)
    ticker = MemoryLink()
    start = shell.core.depth("BTCUSDT", 5_000)
    stream_session(shell, link, ("btcusdt@depth@100ms",))
    stream_session(shell, ticker, ("btcusdt@bookTicker",))
    book = {"b": dict(start.bids), "a": dict(start.asks)}
    settle(shell, 1_000)
    apply(book, link)
    assert max(book["b"]) < min(book["a"])
    before = max(book["b"])
    arm(shell, "bad_book", symbol="BTCUSDT", flaw=flaw, count=0, ticker=True)
    ticker.texts.clear()
    settle(shell, 1_000)
    apply(book, link)
    assert has_flaw(flaw, book, before)
    tops = [(number(top["b"]), number(top["B"]), number(top["a"])) for top in map(json.loads, ticker.texts)]
    assert all(top_has_flaw(flaw, top, before) for top in tops)
    arm(shell, "reset")
    for _ in range(3):
        settle(shell, 1_000)
        apply(book, link)
    truth = shell.core.depth("BTCUSDT", 5_000)
    assert {price: qty for price, qty in book["b"].items() if qty} == dict(truth.bids)
    assert {price: qty for price, qty in book["a"].items() if qty} == dict(truth.asks)


def number(text: str) -> int:
    return int(text.replace(".", ""))


def apply(book: dict[str, dict[int, int]], link: MemoryLink) -> None:
    for event in map(json.loads, link.texts):
        for side in ("b", "a"):
            for price, qty in event[side]:
                book[side][number(price)] = number(qty)
                if number(qty) == 0:
                    del book[side][number(price)]
    link.texts.clear()


def has_flaw(flaw: str, book: dict[str, dict[int, int]], before: int) -> bool:
    bid, ask = max(book["b"]), min(book["a"])
    return {
        "crossed": bid > ask,
        "locked": bid >= ask,
        "zero-price": 0 in book["b"],
        "negative-price": min(book["b"]) < 0,
        "negative-qty": min(book["b"].values()) < 0,
        "jump": bid > before * 14 // 10,
    }[flaw]


def top_has_flaw(flaw: str, top: tuple[int, int, int], before: int) -> bool:
    bid, qty, ask = top
    return {
        "crossed": bid > ask,
        "locked": bid == ask,
        "zero-price": bid == 0,
        "negative-price": bid < 0,
        "negative-qty": qty < 0,
        "jump": bid > before * 14 // 10,
    }[flaw]
