"""Runs one operation in the exchange's order of checks: limits, key, timestamp, signature, parameters, engine."""

from __future__ import annotations

from dataclasses import dataclass

from engine.sim.reject import VenueReject
from engine.sim.wire import errors, signing
from engine.sim.wire.calls import Call, Operation
from engine.sim.wire.faults import order_error
from engine.sim.wire.limits import AddressLimits
from engine.sim.wire.params import Params
from engine.sim.wire.shell import VenueShell


@dataclass(frozen=True, slots=True)
class Answer:
    """An operation's outcome. ``error`` is None on success; ``dropped``: a test wants no reply at all.

    ``account_id`` is set for a signed call, so that the caller can show the account's order counts.
    """

    body: bytes
    error: errors.ApiError | None = None
    account_id: int = -1
    dropped: bool = False


def check_security(shell: VenueShell, key: signing.ApiKey, params: Params, text: bytes | None, now_ns: int) -> None:
    """Check timestamp, then signature over ``text`` (None: the connection is logged on, no signature needed)."""
    timestamp = params.text("timestamp")
    if shell.faults.take_timestamp_error():
        raise errors.timestamp_outside()
    signing.check_timestamp(timestamp, params.optional("recvWindow"), shell.server_us(now_ns))
    if text is not None and not key.verifies(text, params.text("signature")):
        raise errors.bad_signature()


def execute(operation: Operation, call: Call, address: AddressLimits) -> Answer:
    """Run a call that passed its security checks; refusals become an error body."""
    faults = call.shell.faults
    call.shell.requests += 1
    try:
        if not operation.lenient:
            call.params.check_known(operation.known)
        forced = faults.take_order_error() if operation.is_order else None
        if forced is not None and not forced.executed:
            raise order_error(forced)
        body = operation.handle(call)
    except VenueReject as reject:
        return refused(reject, call.account_id)
    if faults.events_first and operation.is_order:
        call.shell.finish()
    if operation.free:
        address.give_back(operation.weigh(call.params))
    if forced is not None:
        return refused(order_error(forced), call.account_id)
    return Answer(body, account_id=call.account_id, dropped=operation.is_order and faults.take_drop())


def refused(reject: VenueReject, account_id: int = -1) -> Answer:
    """The answer that carries a refusal."""
    error = errors.as_api_error(reject)
    return Answer(errors.error_json(error.code, error.msg, error.data), error, account_id)
