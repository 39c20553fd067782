"""Sessions without sockets, under virtual time: pings, time-outs, age, slow readers, delayed replies."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.sim.wire.api_session import ApiSession
from engine.sim.wire.config import WireConfig
from engine.sim.wire.fault_commands import Delay
from engine.sim.wire.rest_session import RestSession
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.stream_session import StreamSession
from tests.venue_harness import make_shell

SECOND = 1_000_000_000
START = 1_763_640_000 * SECOND


@dataclass
class MemoryLink:
    """Keeps what a session sends."""

    texts: list[bytes] = field(default_factory=list)
    binaries: list[bytes] = field(default_factory=list)
    pings: list[bytes] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    closed: int | None = None
    aborted: bool = False
    pending: int = 0

    def send_text(self, payload: bytes) -> None:
        self.texts.append(payload)

    def send_texts(self, payloads: list[bytes]) -> None:
        self.texts.extend(payloads)

    def send_binary(self, payload: bytes) -> None:
        self.binaries.append(payload)

    def send_ping(self, payload: bytes) -> None:
        self.pings.append(payload)

    def send_pong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    def close(self, code: int, reason: str) -> None:
        self.closed = code

    def abort(self) -> None:
        self.aborted = True

    def buffered_bytes(self) -> int:
        return self.pending


@dataclass
class Wire:
    """Keeps what an HTTP session writes."""

    data: bytes = b""
    closed: bool = False

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self.closed = True


def run(shell: VenueShell, seconds: int, from_ns: int = START) -> int:
    """Let virtual seconds pass; returns the last moment."""
    for second in range(1, seconds + 1):
        shell.begin(from_ns + second * SECOND)
    return from_ns + seconds * SECOND


def stream(shell: VenueShell, link: MemoryLink) -> StreamSession:
    return StreamSession(shell, link, 1_000_000, START, False, [])


def test_a_ping_goes_out_every_twenty_seconds_and_silence_ends_the_connection() -> None:
    shell = make_shell(start_ns=START)
    silent, alive = MemoryLink(), MemoryLink()
    stream(shell, silent)
    session = stream(shell, alive)
    now_ns = START
    for _ in range(7):
        now_ns = run(shell, 20, now_ns)
        session.on_pong(now_ns)
    assert len(alive.pings) == 7
    assert alive.closed is None
    assert silent.closed == 1008
    assert 3 <= len(silent.pings) <= 4


def test_a_connection_ends_at_its_age_limit() -> None:
    shell = make_shell(start_ns=START, wire=WireConfig(session_cap_s=100, ping_interval_s=1_000))
    link = MemoryLink()
    stream(shell, link)
    run(shell, 99)
    assert link.closed is None
    run(shell, 2, START + 99 * SECOND)
    assert link.closed == 1001


def test_a_client_that_does_not_read_is_cut() -> None:
    shell = make_shell(start_ns=START, wire=WireConfig(write_buffer_bytes_max=1_000))
    link = MemoryLink(pending=1_001)
    stream(shell, link)
    run(shell, 2)
    assert link.aborted


def test_nothing_is_sent_after_the_end() -> None:
    shell = make_shell(start_ns=START)
    link = MemoryLink()
    session = ApiSession(shell, link, 1_000_000, START, "here")
    session.end(1001, "over")
    session.deliver(b"late")
    session.on_ping(b"x", START)
    assert (link.texts, link.pongs) == ([], [])
    assert shell.frame_log.frames == 0


def test_delayed_http_replies_leave_in_the_order_of_their_requests() -> None:
    shell = make_shell(start_ns=START)
    wire = Wire()
    session = RestSession(shell, wire, "here")
    shell.faults.arm(Delay(ms=500), START)
    session.on_bytes(b"GET /api/v3/ping HTTP/1.1\r\n\r\n", START)
    shell.faults.clear()
    session.on_bytes(
        b"GET /api/v3/nothing HTTP/1.1\r\n\r\nGET /api/v3/time HTTP/1.1\r\nConnection: close\r\n\r\n", START
    )
    shell.begin(START + 499_000_000)
    assert wire.data == b""
    shell.begin(START + 500_000_000)
    statuses = [part.split(b" ")[1] for part in wire.data.split(b"HTTP/1.1")[1:]]
    assert len(statuses) == 3
    assert wire.data.index(b"200 OK") < wire.data.index(b"404 Not Found") < wire.data.index(b"serverTime")
    assert wire.closed


def test_an_unreadable_http_request_is_answered_and_closed() -> None:
    wire = Wire()
    RestSession(make_shell(start_ns=START), wire, "here").on_bytes(b"rubbish\r\n\r\n", START)
    assert wire.data.startswith(b"HTTP/1.1 400 ")
    assert wire.closed


def test_the_same_seed_and_calls_send_the_same_bytes() -> None:
    def frames() -> list[bytes]:
        shell = make_shell(activity=5.0, start_ns=START)
        link = MemoryLink()
        names = ["btcusdt@depth@100ms", "btcusdt@bookTicker", "ethusdt@trade", "!miniTicker@arr", "solusdt@kline_1s"]
        StreamSession(shell, link, 1_000_000, START, True, names)
        for step in range(1, 301):
            shell.begin(START + step * 10_000_000)
        return link.texts

    first = frames()
    assert len(first) > 50
    assert frames() == first
