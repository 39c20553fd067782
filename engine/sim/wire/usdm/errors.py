"""Refusals in the words of USD-M, where they differ from spot's."""

from __future__ import annotations

from engine.sim.wire.errors import ApiError, status_of

STATUS_BY_CODE = {-1007: 408, -2021: 400}
CLIENT_ID_PATTERN = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"


def usdm_status(error: ApiError) -> int:
    """The HTTP status of ``error`` on this interface: an engine time-out is 408 here and 504 on spot, and -2021 means
    something else (a plain refusal)."""
    own = STATUS_BY_CODE.get(error.code)
    return own if own is not None and error.status == status_of(error.code) else error.status


def precision() -> ApiError:
    """-1111: more decimals than the venue counts."""
    return ApiError(-1111, "Precision is over the maximum defined for this asset.")


def client_id_invalid() -> ApiError:
    """-4015."""
    return ApiError(-4015, "Client order id is not valid.")


def bad_value(name: str) -> ApiError:
    """-1130 for a value that is none of a parameter's words."""
    return ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")


def only_conditional() -> ApiError:
    """-1102 for an algo order of another service than the conditional one."""
    return ApiError(-1102, "Mandatory parameter 'algotype' was not sent, was empty/null, or malformed.")
