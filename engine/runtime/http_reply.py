"""A server's reply over HTTP/1.1: read from bytes as they come (RFC 9112)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.runtime.net_errors import NetError

HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True)
class HttpResponse:
    """Status, headers (names in lower case) and body of a reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after_s(self) -> float | None:
        """What the server asks us to wait (429, 418, 503), or None. Only the number form: exchanges send no dates."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdigit() else None


def parse_response(buffer: bytes | bytearray, *, at_end: bool) -> tuple[HttpResponse, int] | None:
    """The first reply in `buffer` and how many bytes it took; None while it is not whole (RFC 9112). NetError for nonsense.

    `at_end`: the server has closed, which ends a body that has no length.
    """
    head_end = buffer.find(b"\r\n\r\n")
    if head_end < 0:
        if len(buffer) > HEAD_BYTES_MAX:
            raise NetError(f"the reply's head is above {HEAD_BYTES_MAX} bytes")
        return None
    status, headers = _parse_head(bytes(buffer[:head_end]))
    start = head_end + 4
    if status in (204, 304):
        return HttpResponse(status, headers, b""), start
    if "chunked" in headers.get("transfer-encoding", "").lower():
        chunked = _parse_chunks(buffer, start)
        return None if chunked is None else (HttpResponse(status, headers, chunked[0]), chunked[1])
    length_text = headers.get("content-length")
    if length_text is None:
        return (HttpResponse(status, headers, bytes(buffer[start:])), len(buffer)) if at_end else None
    if not (length_text.isascii() and length_text.isdigit()) or int(length_text) > BODY_BYTES_MAX:
        raise NetError(f"the reply's Content-Length {length_text[:32]!r} is not one of ours")
    end = start + int(length_text)
    return (HttpResponse(status, headers, bytes(buffer[start:end])), end) if len(buffer) >= end else None


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
        raise NetError(f"the reply is no HTTP/1.1: {lines[0][:64]!r}")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise NetError(f"the reply has a header without a colon: {line[:64]!r}")
        headers[name.strip().lower()] = value.strip()
    return int(rest[:3]), headers


def _parse_chunks(buffer: bytes | bytearray, start: int) -> tuple[bytes, int] | None:
    parts: list[bytes] = []
    total = 0
    while True:
        line_end = buffer.find(b"\r\n", start)
        if line_end < 0:
            return None
        size_text = bytes(buffer[start:line_end]).split(b";")[0].strip()
        try:
            size = int(size_text, 16)
        except ValueError:
            raise NetError(f"the reply has a chunk of size {size_text[:32]!r}") from None
        total += size
        if size < 0 or total > BODY_BYTES_MAX:
            raise NetError(f"the reply's body is above {BODY_BYTES_MAX} bytes")
        end = line_end + 2 + size
        if len(buffer) < end + 2:
            return None
        if size == 0:
            return b"".join(parts), end + 2
        parts.append(bytes(buffer[line_end + 2 : end]))
        start = end + 2
