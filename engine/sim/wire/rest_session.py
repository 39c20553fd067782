"""The REST interface of one connection: HTTP bytes in, HTTP bytes out."""

from __future__ import annotations

from functools import partial

from engine.sim.reject import VenueReject
from engine.sim.wire import errors, http1
from engine.sim.wire.calls import MS_NS, US_NS, Call, Operation
from engine.sim.wire.dispatch import Answer, check_security, execute, refused
from engine.sim.wire.faults import FROM_VENUE, TO_VENUE
from engine.sim.wire.http1 import HttpError, HttpRequest
from engine.sim.wire.link import ByteLink
from engine.sim.wire.params import Params, from_request
from engine.sim.wire.rest_face import RestFace, SpotFace
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.signing import split_signature
from engine.sim.wire.transit import Lane
from engine.sim.wire.usdm.rest_face import UsdmFace

TIME_UNITS = {"MILLISECOND": MS_NS, "MICROSECOND": US_NS}


class RestSession:
    """One HTTP/1.1 connection. Replies keep the order of their requests, also when a test delays them."""

    kind = "rest"

    def __init__(self, shell: VenueShell, link: ByteLink, address: str) -> None:
        self._shell = shell
        self._link = link
        self._spot: RestFace = SpotFace(shell, address)
        self._usdm: RestFace | None = None if shell.usdm is None else UsdmFace(shell.usdm, address)
        self._reader = http1.RequestReader()
        self._closing = False
        number = shell.open(self)
        self._arrivals = Lane(shell, self.kind, number, TO_VENUE, falls_silent=True)
        self._replies = Lane(shell, self.kind, number, FROM_VENUE, falls_silent=True)

    # --- bytes ---

    def on_bytes(self, data: bytes, now_ns: int) -> None:
        """Take received bytes; answers every request that is whole."""
        try:
            requests = self._reader.feed(data)
        except HttpError as error:
            self._send(http1.reply(error.status, errors.error_json(-1000, str(error)), keep_alive=False), now_ns)
            self._close()
            return
        if not requests and self._reader.wants_continue:
            self._link.write(http1.CONTINUE)
            self._reader.wants_continue = False
        for request in requests:
            self._arrivals.carry(partial(self._take, request))

    def _take(self, request: HttpRequest) -> None:
        if not self._closing:
            self._answer(request, self._shell.now_ns)
            self._shell.finish()

    def on_closed(self) -> None:
        """The connection is gone."""
        self._shell.closed(self)

    def _answer(self, request: HttpRequest, now_ns: int) -> None:
        face = self._face(request.path)
        operation = face.find(request.method, request.path)
        if operation is None:
            self._send(_unknown(face, request), now_ns)
        else:
            answer = self._run(face, operation, request, now_ns)
            if answer.dropped:
                self._closing = True
                self._link.close()
                return
            self._send(self._reply(face, operation, answer, request.keep_alive, now_ns), now_ns, operation.is_order)
        if not request.keep_alive:
            self._close()

    def _face(self, path: str) -> RestFace:
        """Spot and USD-M share the port; their paths differ."""
        return self._usdm if self._usdm is not None and path.startswith(("/fapi/", "/futures/")) else self._spot

    def _run(self, face: RestFace, operation: Operation, request: HttpRequest, now_ns: int) -> Answer:
        account_id = -1
        try:
            params = from_request(request.query, request.body)
            self._shell.charge(face.limits, self.kind, operation.weigh(params), now_ns)
            face.draw(operation, now_ns)
            unit_ns = MS_NS if operation.lenient else time_unit(request.headers.get("x-mbx-time-unit"))
            if operation.signed:
                account_id = self._authenticate(request, params, now_ns)
            elif operation.keyed:
                account_id = self._shell.keys.find(request.headers.get("x-mbx-apikey", "")).account_id
        except VenueReject as reject:
            return refused(reject, account_id)
        return execute(operation, Call(self._shell, params, now_ns, unit_ns, account_id), face.limits)

    def _authenticate(self, request: HttpRequest, params: Params, now_ns: int) -> int:
        key = self._shell.keys.find(request.headers.get("x-mbx-apikey", ""))
        text, signature = split_signature(request.query, request.body)
        if signature is not None:
            params.values["signature"] = signature
        check_security(self._shell, key, params, text, now_ns)
        return key.account_id

    # --- replies ---

    def _reply(self, face: RestFace, operation: Operation, answer: Answer, keep_alive: bool, now_ns: int) -> bytes:
        used = str(face.limits.weight.count)
        headers = [
            ("x-mbx-uuid", f"00000000-0000-4000-8000-{self._shell.requests:012x}"),
            ("X-MBX-USED-WEIGHT", used),
            ("X-MBX-USED-WEIGHT-1M", used),
        ]
        if operation.counts_order and answer.error is None:
            headers += face.count_headers(answer.account_id)
        if answer.error is not None and answer.error.retry_at_ms is not None:
            wait_ms = max(0, answer.error.retry_at_ms - -(-now_ns // MS_NS))
            headers.append(("Retry-After", str(-(-wait_ms // 1_000))))
        body, _ = self._shell.faults.damage(answer.body, self.kind)
        status = 200 if answer.error is None else face.status(answer.error)
        return http1.reply(status, body, tuple(headers), keep_alive)

    def _send(self, reply: bytes, now_ns: int, is_order: bool = False) -> None:
        self._replies.carry(lambda: self._link.write(reply), self._shell.reply_at_ns(now_ns, is_order))

    def _close(self) -> None:
        """Close behind the replies that are under way."""
        self._closing = True
        self._replies.carry(self._link.close)

    # --- the shell's calls ---

    def on_second(self, _now_ns: int, /) -> None:
        """Nothing is due: an idle connection is kept."""

    def shut_down(self, _now_ns: int, /) -> None:
        """HTTP has no such notice."""

    def force_close(self, _abrupt: bool, /) -> None:
        """Close the connection."""
        self._closing = True
        self._link.close()

    def on_key_revoked(self, _api_key: str, _now_ns: int, /) -> None:
        """Every request names its key anew."""

    def end_user_stream(self, _now_ns: int, /) -> int:
        """HTTP carries none."""
        return 0


def _unknown(face: RestFace, request: HttpRequest) -> bytes:
    status = 405 if face.has_path(request.path) else 404
    return http1.reply(status, errors.error_json(-1000, f"{request.method} {request.path}: no such endpoint."))


def time_unit(text: str | None) -> int:
    """The unit of times that ``X-MBX-TIME-UNIT`` or ``timeUnit`` asks for, in nanoseconds; refuses -1194."""
    unit_ns = TIME_UNITS.get((text or "MILLISECOND").upper())
    if unit_ns is None:
        raise errors.ApiError(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
    return unit_ns
