"""A market stream connection (spot ``web-socket-streams.md``): subscriptions in, stream frames out."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from engine.sim.wire import errors
from engine.sim.wire.frame_log import KIND_STREAM
from engine.sim.wire.link import CLOSE_POLICY, FrameLink
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.socket_life import SECOND_NS, SocketLife

ID_CHARACTERS_MAX = 36
INT64_MAX = (1 << 63) - 1


class StreamError(Exception):
    """A control message that cannot be obeyed: the stream protocol's own small codes."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg


class StreamSession(SocketLife):
    """One connection to ``/ws`` or ``/stream``."""

    kind = "stream"
    frame_kind = KIND_STREAM

    def __init__(
        self, shell: VenueShell, link: FrameLink, unit_ns: int, now_ns: int, combined: bool, names: list[str]
    ) -> None:
        super().__init__(shell, link, unit_ns, now_ns)
        self.combined = combined
        self.names: dict[str, None] = {}
        self._second = -1
        self._messages = 0
        self._subscribe(names)

    # --- inbound ---

    def on_text(self, data: bytes, now_ns: int) -> None:
        """Obey one control message."""
        if not self._within_rate(now_ns):
            return
        request_id: object = msgspec.UNSET
        try:
            request = _decode(data)
            request_id = _request_id(request)
            result = self._obey(request)
        except StreamError as error:
            self.deliver(_error(error, request_id))
            return
        self.deliver(msgspec.json.encode({"result": result, "id": request_id}))

    def on_ping(self, payload: bytes, now_ns: int, /) -> None:
        """Answer, and count towards the inbound rate."""
        if self._within_rate(now_ns):
            super().on_ping(payload, now_ns)

    def on_pong(self, now_ns: int, /) -> None:
        """Note, and count towards the inbound rate."""
        if self._within_rate(now_ns):
            super().on_pong(now_ns)

    def _within_rate(self, now_ns: int) -> bool:
        second = now_ns // SECOND_NS
        if second != self._second:
            self._second, self._messages = second, 0
        self._messages += 1
        if self._messages <= self._messages_max():
            return True
        self.end(CLOSE_POLICY, "Too many requests")
        return False

    def on_closed(self) -> None:
        """Leave every stream."""
        for name in self.names:
            self._leave(name)
        self.names.clear()
        super().on_closed()

    # --- what the interface is ---

    def _join(self, name: str) -> None:
        """Begin to listen to one stream."""
        self.shell.publisher.subscribe(name, self)

    def _leave(self, name: str) -> None:
        """Stop listening to one stream."""
        self.shell.publisher.unsubscribe(name, self)

    def _messages_max(self) -> int:
        """Inbound frames in a second."""
        return self.shell.limits.config.stream_messages_s

    def _streams_max(self) -> int:
        return self.shell.limits.config.streams_per_connection

    # --- control messages ---

    def _obey(self, request: dict[str, Any]) -> object:
        method = request.get("method")
        if method == "SUBSCRIBE":
            return self._subscribe(_names(request))
        if method == "UNSUBSCRIBE":
            return self._unsubscribe(_names(request))
        if method == "LIST_SUBSCRIPTIONS":
            return list(self.names)
        if method == "SET_PROPERTY":
            return self._set_property(request.get("params"))
        if method == "GET_PROPERTY":
            return self._get_property(request.get("params"))
        known = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
        raise StreamError(2, f"Invalid request: unknown variant `{method}`, expected one of {known}")

    def _subscribe(self, names: list[str]) -> object:
        if len(self.names) + len([name for name in names if name not in self.names]) > self._streams_max():
            raise StreamError(2, f"Invalid request: more than {self._streams_max()} streams on one connection")
        for name in names:
            self.names[name] = None
            self._join(name)
        return None

    def _unsubscribe(self, names: list[str]) -> object:
        for name in names:
            if name in self.names:
                del self.names[name]
                self._leave(name)
        return None

    def _set_property(self, params: object) -> object:
        if not (isinstance(params, list) and len(params) == 2):
            raise StreamError(2, "Invalid request: SET_PROPERTY takes a name and a value")
        if params[0] != "combined":
            raise StreamError(0, "Unknown property")
        if not isinstance(params[1], bool):
            raise StreamError(1, "Invalid value type: expected Boolean")
        self.combined = params[1]
        return None

    def _get_property(self, params: object) -> bool:
        if not (isinstance(params, list) and len(params) == 1):
            raise StreamError(2, "Invalid request: GET_PROPERTY takes a name")
        if params[0] != "combined":
            raise StreamError(0, "Unknown property")
        return self.combined

    def on_key_revoked(self, _api_key: str, _now_ns: int, /) -> None:
        """Market connections know no key."""

    def shut_down(self, now_ns: int, /) -> None:
        """The serverShutdown notice, raw or under the stream ``!serverShutdown``."""
        notice = b'{"e":"serverShutdown","E":%d}' % (now_ns // self.unit_ns)
        self.deliver(b'{"stream":"!serverShutdown","data":%b}' % notice if self.combined else notice)


def _decode(data: bytes) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StreamError(3, f"Invalid JSON: {error}") from None
    if not isinstance(request, dict):
        raise StreamError(2, "Invalid request: expected an object")
    return request


def _request_id(request: dict[str, Any]) -> object:
    value = request.get("id")
    is_integer = isinstance(value, int) and not isinstance(value, bool) and -INT64_MAX <= value <= INT64_MAX
    if value is None or is_integer or (isinstance(value, str) and len(value) <= ID_CHARACTERS_MAX):
        return value
    raise StreamError(2, "Invalid request: request ID must be an integer, a string of at most 36 characters or null")


def _names(request: dict[str, Any]) -> list[str]:
    params = request.get("params")
    if not isinstance(params, list) or not params or not all(isinstance(name, str) for name in params):
        raise StreamError(2, "Invalid request: params must be a list of stream names")
    return params


def _error(error: StreamError, request_id: object) -> bytes:
    reply: dict[str, object] = {"code": error.code, "msg": error.msg}
    if request_id is not msgspec.UNSET:
        reply["id"] = request_id
    return msgspec.json.encode(reply)


ROUTES = ("public", "market", "private")


class Target:
    """A WebSocket URL's path and query, read once: which interface, which streams, which options.

    ``route`` is "public", "market" or "private" on a USD-M stream and empty on spot; ``tail`` holds the path's parts
    that follow the interface.
    """

    __slots__ = ("combined", "interface", "names", "options", "route", "tail")

    def __init__(self, target: str) -> None:
        path, _, query = target.partition("?")
        parts = [part for part in path.split("/") if part]
        self.options = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
        self.route = parts.pop(0) if parts and parts[0] in ROUTES else ""
        self.interface = parts[0] if parts else ""
        self.combined = self.interface == "stream"
        self.tail = parts[1:]
        named = self.options.get("streams", "").split("/") if self.combined else self.tail
        # Clients append a connection's number to the base (/stream/0, /ws/1) and ccxt wants "/stream" in a raw one
        # (/ws/stream/0): a part without "@" names no stream.
        self.names = [name for name in map(unquote, named) if "@" in name or name.startswith("!")]

    def time_unit_text(self) -> str | None:
        """The ``timeUnit`` option."""
        return self.options.get("timeUnit")


def open_error(target: Target, has_usdm: bool = False) -> errors.ApiError | None:
    """Why a URL cannot be connected to, or None."""
    if target.interface in ("ws", "stream") and (has_usdm or not target.route):
        return None
    if target.interface == "ws-api" or (target.interface == "ws-fapi" and has_usdm):
        return None
    known = "/ws, /stream or /ws-api/v3"
    if has_usdm:
        known += ", /public, /market or /private before /ws or /stream, or /ws-fapi/v1"
    return errors.ApiError(-1000, f"no such interface: connect to {known}", status=404)
