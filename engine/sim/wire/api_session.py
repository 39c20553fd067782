"""A WebSocket API connection (spot ``web-socket-api.md``): requests in, replies and user data events out."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from engine.sim.reject import VenueReject
from engine.sim.wire import errors, operations
from engine.sim.wire.calls import Call, Operation, fixed
from engine.sim.wire.dispatch import Answer, check_security, execute, refused
from engine.sim.wire.frame_log import KIND_API
from engine.sim.wire.limits import AddressLimits
from engine.sim.wire.link import FrameLink
from engine.sim.wire.params import BOOLEANS, Params
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.signing import ApiKey, sorted_text
from engine.sim.wire.socket_life import SocketLife

CONNECT_WEIGHT = 2
SUBSCRIPTIONS_ACTIVE_MAX = 1_000
SUBSCRIPTIONS_LIFETIME_MAX = 65_535
NULL = b"null"


class ApiRequest(msgspec.Struct):
    """A request as received; parameters keep their text, because that is what is signed."""

    method: str
    id: msgspec.Raw = msgspec.Raw()
    params: dict[str, msgspec.Raw] = {}


_DECODER = msgspec.json.Decoder(ApiRequest)
SessionMethod = Callable[[Params, int], bytes]


class ApiSession(SocketLife):
    """One connection to ``/ws-api/v3``."""

    kind = "ws-api"
    frame_kind = KIND_API

    def __init__(
        self, shell: VenueShell, link: FrameLink, unit_ns: int, now_ns: int, address: str, shows_limits: bool = True
    ) -> None:
        super().__init__(shell, link, unit_ns, now_ns)
        self._limits = self._address_limits(address)
        self._shows_limits = shows_limits
        self._key: ApiKey | None = None
        self._authorized_ns = 0
        self._subscriptions: dict[int, int] = {}  # subscription id -> account id
        self._logon_subscription = -1
        self._subscriptions_made = 0
        self._afterwards: list[bytes] = []
        self._methods: dict[str, SessionMethod] = {
            "session.logon": self._logon,
            "session.status": self._status,
            "session.logout": self._logout,
            **self._user_data_methods(),
        }
        self._limits.roll(now_ns)
        self._limits.weight.count += CONNECT_WEIGHT

    # --- what the interface is ---

    def _address_limits(self, address: str) -> AddressLimits:
        """The limits that the connection's address shares with REST."""
        return self.shell.limits.address(address)

    def _find(self, method: str) -> Operation | None:
        """The operation of a method's name."""
        return operations.API.get(method.removeprefix("v3/"))

    def _user_data_methods(self) -> dict[str, SessionMethod]:
        """The methods that open and end user data, beside those of the session."""
        return {
            "session.subscriptions": self._list_subscriptions,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    def _status_of(self, error: errors.ApiError) -> int:
        """The status that carries a refusal."""
        return error.status

    def _order_rows(self, account_id: int, now_ns: int) -> bytes:
        """The account's order counts as ``rateLimits`` objects."""
        counts = self.shell.limits.account(account_id)
        counts.roll(now_ns)
        return counts.rows()

    # --- requests ---

    def on_text(self, data: bytes, now_ns: int) -> None:
        """Answer one request."""
        try:
            request = _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._reply_malformed(data)
            return
        if not _is_request_id(request.id):
            self._reply(NULL, refused(errors.mandatory("id")), None, True, now_ns)
            return
        params = Params({name: _text(raw) for name, raw in request.params.items()})
        operation = self._find(request.method)
        answer = self._run(request.method.removeprefix("v3/"), operation, params, now_ns)
        shows = BOOLEANS.get(params.values.get("returnRateLimits", ""), self._shows_limits)
        if answer.dropped:
            return
        self._reply(bytes(request.id), answer, operation, shows, now_ns)

    def _run(self, method: str, operation: Operation | None, params: Params, now_ns: int) -> Answer:
        session_method = self._methods.get(method)
        account_id = -1
        try:
            weigh = operation.weigh if operation is not None else fixed(2)
            self.shell.charge(self._limits, self.kind, weigh(params), now_ns)
            if session_method is not None:
                return Answer(session_method(params, now_ns))
            if operation is None:
                raise errors.ApiError(-1020, "This operation is not supported.")
            if operation.signed:
                account_id = self._authenticate(params, now_ns).account_id
            elif operation.keyed:
                account_id = self._named_key(params).account_id
        except VenueReject as reject:
            return refused(reject, account_id)
        call = Call(self.shell, params, now_ns, self.unit_ns, account_id, is_socket=True)
        return execute(operation, call, self._limits)

    def _authenticate(self, params: Params, now_ns: int) -> ApiKey:
        """The key of a signed request: its own ``apiKey`` and ``signature``, else the session's."""
        values = params.values
        if self._key is not None and "apiKey" not in values and "signature" not in values:
            check_security(self.shell, self._key, params, None, now_ns)
            return self._key
        key = self.shell.keys.find(params.text("apiKey"))
        check_security(self.shell, key, params, sorted_text(values), now_ns)
        return key

    def _named_key(self, params: Params) -> ApiKey:
        """The key of a request that names one without signing, else the session's."""
        if self._key is not None and "apiKey" not in params.values:
            return self._key
        return self.shell.keys.find(params.text("apiKey"))

    # --- replies ---

    def _reply(
        self, request_id: bytes, answer: Answer, operation: Operation | None, shows_limits: bool, now_ns: int
    ) -> None:
        if answer.error is None:
            outcome = b'"result":%b' % answer.body
        else:
            outcome = b'"error":%b' % _error_body(answer.error, now_ns)
        limits = self._limit_rows(answer, operation, now_ns) if shows_limits else b""
        status = 200 if answer.error is None else self._status_of(answer.error)
        frame = b'{"id":%b,"status":%d,%b%b}' % (request_id, status, outcome, limits)
        afterwards, self._afterwards = self._afterwards, []
        is_order = operation is not None and operation.is_order
        at_ns = self.shell.reply_at_ns(now_ns, is_order)
        if at_ns > now_ns:
            self.shell.later(at_ns, lambda: self._deliver_all([frame, *afterwards]))
            return
        self._deliver_all([frame, *afterwards])

    def _deliver_all(self, frames: list[bytes]) -> None:
        for frame in frames:
            self.deliver(frame)

    def _limit_rows(self, answer: Answer, operation: Operation | None, now_ns: int) -> bytes:
        rows = self._limits.weight.row("REQUEST_WEIGHT")
        if operation is not None and operation.counts_order and answer.account_id >= 0:
            rows = self._order_rows(answer.account_id, now_ns) + b"," + rows
        return b',"rateLimits":[%b]' % rows

    def _reply_malformed(self, data: bytes) -> None:
        """A frame that is no request: the id is echoed where it can be read."""
        error = errors.ApiError(-1135, "Invalid JSON Request")
        frame = b'{"id":%b,"status":400,"error":%b}' % (_readable_id(data), errors.error_json(error.code, error.msg))
        self.deliver(frame)

    # --- session methods ---

    def _logon(self, params: Params, now_ns: int) -> bytes:
        key = self.shell.keys.find(params.text("apiKey"))
        if key.kind != "ed25519":
            raise errors.bad_signature()
        check_security(self.shell, key, params, sorted_text(params.values), now_ns)
        self._end_logon(now_ns)
        self._key, self._authorized_ns = key, now_ns
        return self._status(params, now_ns)

    def _status(self, _params: Params, now_ns: int) -> bytes:
        key = NULL if self._key is None else b'"%b"' % self._key.api_key.encode()
        since = NULL if self._key is None else b"%d" % (self._authorized_ns // self.unit_ns)
        return (
            b'{"apiKey":%b,"authorizedSince":%b,"connectedSince":%d,"returnRateLimits":%b,"serverTime":%d,'
            b'"userDataStream":%b}'
        ) % (
            key,
            since,
            self.opened_ns // self.unit_ns,
            b"true" if self._shows_limits else b"false",
            self.shell.server_us(now_ns) * 1_000 // self.unit_ns,
            b"true" if self._subscriptions else b"false",
        )

    def _logout(self, params: Params, now_ns: int) -> bytes:
        self._end_logon(now_ns)
        return self._status(params, now_ns)

    def _end_logon(self, now_ns: int) -> None:
        """Forget the session's key and end the subscription that was made with it."""
        self._key, self._authorized_ns = None, 0
        if self._logon_subscription in self._subscriptions:
            self._end_subscription(self._logon_subscription, now_ns)
        self._logon_subscription = -1

    def _list_subscriptions(self, _params: Params, _now_ns: int) -> bytes:
        return msgspec.json.encode([{"subscriptionId": number} for number in self._subscriptions])

    def _subscribe(self, _params: Params, _now_ns: int) -> bytes:
        if self._key is None:
            raise errors.ApiError(-2015, "Invalid API-key, IP, or permissions for action.")
        self._logon_subscription = self._open_subscription(self._key.account_id)
        return b'{"subscriptionId":%d}' % self._logon_subscription

    def _subscribe_signed(self, params: Params, now_ns: int) -> bytes:
        key = self.shell.keys.find(params.text("apiKey"))
        check_security(self.shell, key, params, sorted_text(params.values), now_ns)
        return b'{"subscriptionId":%d}' % self._open_subscription(key.account_id)

    def _open_subscription(self, account_id: int) -> int:
        if account_id in self._subscriptions.values():
            raise errors.ApiError(-2035, "User Data Stream subscription already active.")
        too_many = len(self._subscriptions) >= SUBSCRIPTIONS_ACTIVE_MAX
        if too_many or self._subscriptions_made >= SUBSCRIPTIONS_LIFETIME_MAX:
            raise errors.ApiError(-2042, "Maximum subscriptions reached for this connection.")
        number = self._subscriptions_made
        self._subscriptions_made += 1
        self._subscriptions[number] = account_id
        self.shell.publisher.subscribe_user(account_id, self, number)
        return number

    def _unsubscribe(self, params: Params, now_ns: int) -> bytes:
        number = params.integer("subscriptionId")
        if number is not None and number not in self._subscriptions:
            raise errors.ApiError(-2036, "User Data Stream subscription not active.")
        for active in [number] if number is not None else list(self._subscriptions):
            self._end_subscription(active, now_ns)
        return b"{}"

    def _end_subscription(self, number: int, now_ns: int) -> None:
        self.shell.publisher.unsubscribe_user(self._subscriptions.pop(number), self)
        event = b'{"e":"eventStreamTerminated","E":%d}' % (now_ns // self.unit_ns)
        self._afterwards.append(b'{"subscriptionId":%d,"event":%b}' % (number, event))

    # --- the shell's calls ---

    def end_user_stream(self, now_ns: int, /) -> int:
        """Every subscription ends with eventStreamTerminated; the connection and its log-on stay."""
        ended = list(self._subscriptions)
        for number in ended:
            self._end_subscription(number, now_ns)
        afterwards, self._afterwards = self._afterwards, []
        self._deliver_all(afterwards)
        return len(ended)

    def on_key_revoked(self, api_key: str, now_ns: int, /) -> None:
        """A session that logged on with the key is told, and its subscription ends."""
        if self._key is None or self._key.api_key != api_key:
            return
        self._end_logon(now_ns)
        self.deliver(b'{"id":null,"status":401,"error":%b}' % _error_body(errors.key_rejected(), now_ns))
        afterwards, self._afterwards = self._afterwards, []
        self._deliver_all(afterwards)

    def on_closed(self) -> None:
        """End every subscription."""
        for account_id in self._subscriptions.values():
            self.shell.publisher.unsubscribe_user(account_id, self)
        self._subscriptions.clear()
        super().on_closed()

    def shut_down(self, now_ns: int, /) -> None:
        """The serverShutdown notice; it belongs to no subscription."""
        self.deliver(b'{"event":{"e":"serverShutdown","E":%d}}' % (now_ns // self.unit_ns))


def _error_body(error: errors.ApiError, now_ns: int) -> bytes:
    data = error.data
    if data is None and error.retry_at_ms is not None and error.code == -1003:
        data = b'{"serverTime":%d,"retryAfter":%d}' % (now_ns // 1_000_000, error.retry_at_ms)
    return errors.error_json(error.code, error.msg, data)


def _text(raw: msgspec.Raw) -> str:
    """A parameter's text: a string's content, a number as it was written; null counts as empty."""
    data = bytes(raw)
    if data.startswith(b'"'):
        return msgspec.json.decode(data, type=str)
    return "" if data == NULL else data.decode()


def _is_request_id(raw: msgspec.Raw) -> bool:
    """An id is mandatory: an integer, a string of at most 36 characters, or null."""
    data = bytes(raw)
    if data.startswith(b'"'):
        return len(msgspec.json.decode(data, type=str)) <= 36
    return data == NULL or data.lstrip(b"-").isdigit()


def _readable_id(data: bytes) -> bytes:
    try:
        request = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NULL
    value = request.get("id") if isinstance(request, dict) else None
    return msgspec.json.encode(value) if isinstance(value, int | str) else NULL
