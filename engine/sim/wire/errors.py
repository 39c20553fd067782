"""The exchange's error catalogue: codes, texts and HTTP statuses (spot API ``errors.md``)."""

from __future__ import annotations

import msgspec

from engine.sim.reject import VenueReject

STATUS_BY_CODE = {
    -1000: 500,
    -1001: 500,
    -1003: 429,
    -1006: 502,
    -1007: 504,
    -1008: 503,
    -1015: 429,
    -1016: 503,
    -2008: 401,
    -2014: 401,
    -2015: 401,
    -2021: 409,
}
UNKNOWN_OUTCOME_TEXT = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
}
INTEGER_PATTERN = "^[0-9]{1,20}$"
CLIENT_ID_PATTERN = "^[a-zA-Z0-9-_]{1,36}$"


class ApiError(VenueReject):
    """A refusal with what the wire needs beyond code and text.

    ``status`` is the HTTP (and WebSocket API) status, ``data`` a JSON object placed beside the text,
    ``retry_at_ms`` the Unix time after which a limited client may come back.
    """

    def __init__(
        self,
        code: int,
        msg: str,
        status: int = 0,
        data: bytes | None = None,
        retry_at_ms: int | None = None,
    ) -> None:
        super().__init__(code, msg)
        self.status = status or status_of(code)
        self.data = data
        self.retry_at_ms = retry_at_ms


def status_of(code: int) -> int:
    """The HTTP status that carries ``code``; 400 for every plain refusal."""
    return STATUS_BY_CODE.get(code, 400)


def as_api_error(reject: VenueReject) -> ApiError:
    """Give a refusal of the core its HTTP status."""
    return reject if isinstance(reject, ApiError) else ApiError(reject.code, reject.msg)


def error_json(code: int, msg: str, data: bytes | None = None) -> bytes:
    """``{"code":n,"msg":s}`` and, for a cancel-replace, its ``data``."""
    head = b'{"code":%d,"msg":%b' % (code, msgspec.json.encode(msg))
    return head + (b"}" if data is None else b',"data":%b}' % data)


def mandatory(name: str) -> ApiError:
    """-1102 for a parameter that is missing or malformed."""
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def either(first: str, second: str) -> ApiError:
    """-1102 where one of two parameters must be sent."""
    return ApiError(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def illegal_characters(name: str, pattern: str) -> ApiError:
    """-1100 for a value outside its documented pattern."""
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'.")


def empty_parameter(name: str) -> ApiError:
    """-1105 for a parameter sent without a value."""
    return ApiError(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> ApiError:
    """-1106 for a parameter that this order type does not take."""
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


def bad_combination() -> ApiError:
    """-1128 for optional parameters that exclude one another."""
    return ApiError(-1128, "Combination of optional parameters invalid.")


def too_many_parameters(expected: int, received: int) -> ApiError:
    """-1101 where an endpoint takes no parameter at all."""
    return ApiError(-1101, f"Too many parameters; expected '{expected}' and received '{received}'.")


def duplicate_parameter() -> ApiError:
    """-1101 for a name sent twice in the same part of the request."""
    return ApiError(-1101, "Duplicate values for a parameter detected.")


def not_all_read(read: int, sent: int) -> ApiError:
    """-1104 for a parameter that the endpoint does not know."""
    return ApiError(-1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.")


def timestamp_outside() -> ApiError:
    """-1021 for a request that is older than its recvWindow."""
    return ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def timestamp_ahead() -> ApiError:
    """-1021 for a request from the future."""
    return ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def bad_signature() -> ApiError:
    """-1022."""
    return ApiError(-1022, "Signature for this request is not valid.")


def key_format() -> ApiError:
    """-2014 for a key that cannot be one (or none)."""
    return ApiError(-2014, "API-key format invalid.")


def key_rejected() -> ApiError:
    """-2015 for a well-formed key that the venue does not know or that may not do this."""
    return ApiError(-2015, "Invalid API-key, IP, or permissions for action.")


def too_many_orders(limit: int, interval_text: str) -> ApiError:
    """-1015 for a new order above the unfilled-order limit; ``interval_text`` as ``10 SECOND``."""
    return ApiError(-1015, f"Too many new orders; current limit is {limit} orders per {interval_text}.")
