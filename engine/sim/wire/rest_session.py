"""The REST interface of one connection: HTTP bytes in, HTTP bytes out."""

from __future__ import annotations

from functools import partial

from engine.sim.reject import VenueReject
from engine.sim.wire import errors, http1, operations
from engine.sim.wire.calls import MS_NS, US_NS, Call, Operation
from engine.sim.wire.dispatch import Answer, check_security, execute, refused
from engine.sim.wire.faults import FROM_VENUE, TO_VENUE
from engine.sim.wire.http1 import HttpError, HttpRequest
from engine.sim.wire.link import ByteLink
from engine.sim.wire.params import Params, from_request
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.signing import split_signature
from engine.sim.wire.transit import Lane

TIME_UNITS = {"MILLISECOND": MS_NS, "MICROSECOND": US_NS}


class RestSession:
    """One HTTP/1.1 connection. Replies keep the order of their requests, also when a test delays them."""

    kind = "rest"

    def __init__(self, shell: VenueShell, link: ByteLink, address: str) -> None:
        self._shell = shell
        self._link = link
        self._limits = shell.limits.address(address)
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
        operation = operations.REST.get((request.method, request.path.removeprefix(operations.PREFIX)))
        if operation is None or not request.path.startswith(operations.PREFIX):
            self._send(self._unknown(request), now_ns)
        else:
            answer = self._run(operation, request, now_ns)
            if answer.dropped:
                self._closing = True
                self._link.close()
                return
            self._send(self._reply(operation, answer, request.keep_alive, now_ns), now_ns, operation.is_order)
        if not request.keep_alive:
            self._close()

    def _run(self, operation: Operation, request: HttpRequest, now_ns: int) -> Answer:
        account_id = -1
        try:
            params = from_request(request.query, request.body)
            self._shell.charge(self._limits, self.kind, operation.weigh(params), now_ns)
            unit_ns = time_unit(request.headers.get("x-mbx-time-unit"))
            if operation.signed:
                account_id = self._authenticate(request, params, now_ns)
        except VenueReject as reject:
            return refused(reject, account_id)
        return execute(operation, Call(self._shell, params, now_ns, unit_ns, account_id), self._limits)

    def _authenticate(self, request: HttpRequest, params: Params, now_ns: int) -> int:
        key = self._shell.keys.find(request.headers.get("x-mbx-apikey", ""))
        text, signature = split_signature(request.query, request.body)
        if signature is not None:
            params.values["signature"] = signature
        check_security(self._shell, key, params, text, now_ns)
        return key.account_id

    # --- replies ---

    def _reply(self, operation: Operation, answer: Answer, keep_alive: bool, now_ns: int) -> bytes:
        used = str(self._limits.weight.count)
        headers = [
            ("x-mbx-uuid", f"00000000-0000-4000-8000-{self._shell.requests:012x}"),
            ("X-MBX-USED-WEIGHT", used),
            ("X-MBX-USED-WEIGHT-1M", used),
        ]
        if operation.counts_order and answer.error is None:
            counts = self._shell.limits.account(answer.account_id)
            headers += [
                ("X-MBX-ORDER-COUNT-10S", str(counts.short.count)),
                ("X-MBX-ORDER-COUNT-1D", str(counts.day.count)),
            ]
        if answer.error is not None and answer.error.retry_at_ms is not None:
            wait_ms = max(0, answer.error.retry_at_ms - -(-now_ns // MS_NS))
            headers.append(("Retry-After", str(-(-wait_ms // 1_000))))
        body, _ = self._shell.faults.damage(answer.body, self.kind)
        return http1.reply(answer.status, body, tuple(headers), keep_alive)

    def _unknown(self, request: HttpRequest) -> bytes:
        path = request.path.removeprefix(operations.PREFIX)
        known = any(route == path for _method, route in operations.REST)
        status = 405 if known else 404
        return http1.reply(status, errors.error_json(-1000, f"{request.method} {request.path}: no such endpoint."))

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


def time_unit(text: str | None) -> int:
    """The unit of times that ``X-MBX-TIME-UNIT`` or ``timeUnit`` asks for, in nanoseconds; refuses -1194."""
    unit_ns = TIME_UNITS.get((text or "MILLISECOND").upper())
    if unit_ns is None:
        raise errors.ApiError(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
    return unit_ns
