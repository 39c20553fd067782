"""HTTP/1.1 without sockets: bytes in, requests out; replies as bytes (RFC 9112, keep-alive and pipelining)."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES_MAX = 16_384
BODY_BYTES_MAX = 1_048_576
LENGTH_DIGITS_MAX = 20
REASONS = {
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    409: b"Conflict",
    411: b"Length Required",
    413: b"Content Too Large",
    418: b"I'm a teapot",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpError(Exception):
    """A request that cannot be read; the connection is closed after ``status``."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. ``query`` and ``body`` are the received bytes (signatures are verified over them)."""

    method: str
    path: str
    query: bytes
    headers: dict[str, str]
    body: bytes
    keep_alive: bool


class RequestReader:
    """Collects bytes until whole requests stand in them."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: tuple[str, bytes, dict[str, str], bool, int] | None = None
        self.wants_continue = False

    def feed(self, data: bytes) -> list[HttpRequest]:
        """Add received bytes; return the requests completed by them. Raises ``HttpError``."""
        self._buffer += data
        requests = []
        while (request := self._next()) is not None:
            requests.append(request)
        return requests

    def _next(self) -> HttpRequest | None:
        if self._head is None and not self._read_head():
            return None
        assert self._head is not None
        method, target, headers, keep_alive, length = self._head
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._head = None
        self.wants_continue = False
        path, _, query = target.partition(b"?")
        return HttpRequest(method, path.decode("latin-1"), query, headers, body, keep_alive)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise HttpError(431, "request head too long")
            return False
        self._head = parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        self.wants_continue = self._head[2].get("expect", "").lower() == "100-continue" and self._head[4] > 0
        return True


def parse_head(head: bytes) -> tuple[str, bytes, dict[str, str], bool, int]:
    """Split a request head into method, target, headers (lower-case names), keep-alive and body length."""
    lines = head.split(b"\r\n")
    parts = lines[0].split(b" ")
    if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
        raise HttpError(400, "malformed request line")
    headers = _headers(lines[1:])
    if "transfer-encoding" in headers:
        raise HttpError(411, "a request body needs a Content-Length")
    length_text = headers.get("content-length", "0")
    if not (length_text.isascii() and length_text.isdigit()):
        raise HttpError(400, "malformed Content-Length")
    if len(length_text) > LENGTH_DIGITS_MAX or int(length_text) > BODY_BYTES_MAX:
        raise HttpError(413, "request body too long")
    connection = headers.get("connection", "").lower()
    keep_alive = connection != "close" if parts[2] == b"HTTP/1.1" else connection == "keep-alive"
    return parts[0].decode("latin-1"), parts[1], headers, keep_alive, int(length_text)


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise HttpError(400, "malformed header line")
        key, text = name.decode("latin-1").lower(), value.strip().decode("latin-1")
        # whoever stands between client and venue might take the other one (RFC 9112, 6.3)
        if key == "content-length" and headers.get(key, text) != text:
            raise HttpError(400, "two different Content-Length headers")
        headers[key] = text
    return headers


def reply(status: int, body: bytes, headers: tuple[tuple[str, str], ...] = (), keep_alive: bool = True) -> bytes:
    """Write one JSON reply."""
    extra = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1")
    return b"HTTP/1.1 %d %b\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: %d\r\n%b%b\r\n%b" % (
        status,
        REASONS.get(status, b"Status"),
        len(body),
        extra,
        b"" if keep_alive else b"Connection: close\r\n",
        body,
    )
