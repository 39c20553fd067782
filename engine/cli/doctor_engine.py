"""The doctor's look at the engine's own affairs: credentials, strategies, whether one runs, the desk's port."""

from __future__ import annotations

import errno
import http.client
import socket
from collections.abc import Iterator

from engine.cli.doctor_checks import Check, fail, ok, warn
from engine.config import LoadedConfig


def credentials(loaded: LoadedConfig) -> Iterator[Check]:
    """Each venue's key files; what they hold is never shown."""
    from engine.credentials import CredentialError, load_credentials

    if loaded.config.engine.mode == "paper":
        yield ok("credentials", "paper needs none: no order leaves the process")
        return
    for name, venue in loaded.config.venue.items():
        try:
            load_credentials(venue.credential, venue.key_type)
        except CredentialError as error:
            yield fail(f"credentials {name}", str(error), "see docs/config.md, credentials")
        else:
            yield ok(f"credentials {name}", f"{venue.key_type} key {venue.credential} is there and private")


def strategies(loaded: LoadedConfig) -> Iterator[Check]:
    """Each strategy's class and parameters."""
    from engine.strategy.loader import StrategyLoadError, load_strategy

    for name, section in loaded.config.strategy.items():
        try:
            load_strategy(section.class_path, section.params)
        except StrategyLoadError as error:
            yield fail(f"strategy {name}", str(error), f"mend [strategy.{name}]")
        else:
            yield ok(f"strategy {name}", f"{section.class_path} on {', '.join(section.symbols)}")
    if not loaded.config.strategy:
        yield warn("strategies", "none is configured: the engine keeps books and waits", "add a [strategy.NAME]")


def running(loaded: LoadedConfig) -> Iterator[Check]:
    """Does an engine answer at the control socket."""
    from engine.control.client import ControlClient, EngineUnreachableError
    from engine.control.messages import Ping, Pong

    try:
        with ControlClient(loaded.control_socket, timeout_ms=1000) as client:
            reply = client.request(Ping())
    except EngineUnreachableError as error:
        if loaded.control_socket.exists():
            yield warn("engine", str(error), "a killed engine leaves its socket; the next start replaces it")
        else:
            yield ok("engine", "none runs")
        return
    yield ok("engine", f"{reply.engine} runs, pid {reply.pid}" if isinstance(reply, Pong) else "one answers")


def desk_port(loaded: LoadedConfig) -> Iterator[Check]:
    """Is the desk's address free, or does a desk answer there."""
    yield port_check(loaded.config.desk.listen)


def port_check(address: str) -> Check:
    """One address: free, a desk's, or somebody else's."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_server((host.strip("[]"), int(port)), family=family_of(host)):
            return ok("desk port", f"{address} is free")
    except OSError as error:
        if error.errno == errno.EADDRINUSE and desk_answers(address):
            return ok("desk port", f"a desk answers at {address}")
        text = "is in use by another program" if error.errno == errno.EADDRINUSE else str(error.strerror)
        return warn("desk port", f"{address} {text}", "set [desk] listen to a free address of this host")


def desk_answers(address: str) -> bool:
    """Does a desk say so at this address."""
    connection = http.client.HTTPConnection(address, timeout=1.0)
    try:
        connection.request("GET", "/healthz")
        return (connection.getresponse().headers.get("Server") or "").startswith("tradewind-desk")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def family_of(host: str) -> socket.AddressFamily:
    """IPv6 for an address in brackets, else IPv4."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET
