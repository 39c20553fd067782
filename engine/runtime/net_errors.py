"""What goes wrong on a network, in words."""

from __future__ import annotations

import ssl

from picows import WSHandshakeError


class NetError(Exception):
    """A connection that could not be made or broke: the message says where, why and what to do."""


class NotAskedError(NetError):
    """A request that was kept back when its bytes were about to leave: nothing of it reached the other end."""


def explain(address: str, error: BaseException) -> NetError:
    """The error of a failed connection as one sentence."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return NetError(
            f"{address}: the server's certificate is not trusted ({error.verify_message}): "
            "set tls_ca to the authority that signed it, or check the host name"
        )
    if isinstance(error, ssl.SSLError):
        return NetError(f"{address}: TLS failed ({error.reason or error}): is this a TLS port?")
    if isinstance(error, WSHandshakeError):
        status = f"HTTP {error.response.status}" if error.response is not None else str(error)
        return NetError(f"{address}: the server refused the WebSocket ({status}): check the path of the address")
    if isinstance(error, TimeoutError):
        return NetError(f"{address}: no answer in time")
    if isinstance(error, ConnectionRefusedError):
        return NetError(f"{address}: nothing listens there")
    if isinstance(error, OSError):
        return NetError(f"{address}: {error.strerror or error}")
    return NetError(f"{address}: {type(error).__name__}: {error}")
