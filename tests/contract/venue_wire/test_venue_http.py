"""HTTP/1.1 without sockets."""

from __future__ import annotations

import pytest

from engine.sim.wire.http1 import BODY_BYTES_MAX, HEAD_BYTES_MAX, HttpError, RequestReader, reply

TWO = (
    b"POST /api/v3/order?a=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX-MBX-APIKEY: key\r\n\r\nb=2"
    b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
)


def test_requests_are_the_same_however_their_bytes_are_cut() -> None:
    whole = RequestReader().feed(TWO)
    assert [(r.method, r.path, r.query, r.body, r.keep_alive) for r in whole] == [
        ("POST", "/api/v3/order", b"a=1", b"b=2", True),
        ("GET", "/api/v3/ping", b"", b"", False),
    ]
    assert whole[0].headers["x-mbx-apikey"] == "key"
    for cut in range(len(TWO) + 1):
        reader = RequestReader()
        assert reader.feed(TWO[:cut]) + reader.feed(TWO[cut:]) == whole


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nb=22", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 4\r\ncontent-length: 0\r\n\r\nb=22", 400),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", 413, id="many-digits"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1), 413),
        (b"x" * (HEAD_BYTES_MAX + 1), 431),
    ],
)
def test_what_is_no_request_is_refused_with_its_status(data: bytes, status: int) -> None:
    with pytest.raises(HttpError) as refusal:
        RequestReader().feed(data)
    assert refusal.value.status == status


def test_a_length_that_is_told_twice_alike_is_one_length() -> None:
    (request,) = RequestReader().feed(b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nb=2")
    assert request.body == b"b=2"


def test_a_client_that_waits_before_its_body_is_told_to_go_on() -> None:
    reader = RequestReader()
    assert reader.feed(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n") == []
    assert reader.wants_continue
    assert reader.feed(b"x")[0].body == b"x"


def test_a_reply_states_its_length_and_headers() -> None:
    text = reply(429, b'{"a":1}', (("Retry-After", "7"),), keep_alive=False)
    head, body = text.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nContent-Length: 7" in head
    assert b"\r\nRetry-After: 7" in head
    assert b"\r\nConnection: close" in head
    assert body == b'{"a":1}'
