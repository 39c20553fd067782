"""Wires a guard from the engine's configuration and runs it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from engine.config import LoadedConfig
from engine.config_schema import GuardSection, VenueSection
from engine.control.server import ControlServer
from engine.credentials import Credentials, ed25519_signer, load_credentials
from engine.exit_codes import CommandError, ExitCode
from engine.guard.accounts import line_of_account
from engine.guard.commands import GuardControl, GuardNames
from engine.guard.hold import ScopedKills
from engine.guard.kills import Kills
from engine.guard.notifier import NotifierAlarm
from engine.guard.process import Guard, GuardedVenue, KeyRefused
from engine.guard.relay import KillRelay
from engine.guard.watch import EngineWatch
from engine.notify.command import Command
from engine.notify.heartbeat import NotifierSight
from engine.runtime.clock import Clock
from engine.runtime.net import LiveNet
from engine.runtime.service import Supervisor
from engine.venues.binance.rest_cancel import ROUTES, RestCancel, signer

NS_PER_MS = 1_000_000
MS_PER_S = 1000
REQUEST_TIMEOUT_S = 2.0
CONNECTIONS_MAX = 8
LOG_NAME = "guard.jsonl"


class GuardLog:
    """JSON lines on stderr (systemd keeps them) and in `guard.jsonl` of the data directory."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._file = path.open("ab", buffering=0)

    def __call__(self, event: str, **facts: Any) -> None:
        """One event with its facts."""
        line = msgspec.json.encode({"wall_ns": self._clock.time_ns(), "event": event, **facts}) + b"\n"
        # a full disk takes no log, and stderr may stand on it or lead to nobody: neither ends a guard
        with contextlib.suppress(OSError):
            self._file.write(line)
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line.decode())
            sys.stderr.flush()

    def close(self) -> None:
        """No more events."""
        self._file.close()


def run(loaded: LoadedConfig, version: str) -> int:
    """Guard one engine until SIGTERM; returns the exit code. Raises CommandError, CredentialError, ControlSocketError, NetError."""
    section = loaded.config.guard
    if section is None:
        text = f"{loaded.path}: guard: missing: a guard needs the table [guard] with heartbeat_ms_max"
        raise CommandError(ExitCode.CONFIG, text)
    keys = {name: load_key(section, venue) for name, venue in loaded.config.venue.items()}
    try:
        asyncio.run(serve(loaded, section, keys, version))
    except KeyRefused as refused:
        raise CommandError(ExitCode.NO_PERMISSION, str(refused)) from None
    return ExitCode.OK


def load_key(section: GuardSection, venue: VenueSection) -> Credentials:
    """The guard's own key, or the engine's."""
    return load_credentials(section.credential or venue.credential, section.key_type or venue.key_type)


async def serve(loaded: LoadedConfig, section: GuardSection, keys: dict[str, Credentials], version: str) -> None:
    """Build everything, watch until stopped, close everything."""
    clock, net = Clock(), LiveNet()
    for folder in (loaded.data_dir, loaded.runtime_dir):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = GuardLog(loaded.data_dir / LOG_NAME, clock)
    venues, closers = [], []
    for name, venue in loaded.config.venue.items():
        guarded, close = make_venue(name, venue, keys[name], net, clock)
        venues.append(guarded)
        closers.append(close)
    relay, scoped_relay = KillRelay(loaded.control_socket), KillRelay(loaded.control_socket)
    guard = Guard(
        venues,
        EngineWatch(loaded.counters_path, clock, section.heartbeat_ms_max * NS_PER_MS),
        Kills(loaded.data_dir, loaded.config.venue),
        relay,
        Supervisor.of_environment(clock),
        clock,
        log,
        heartbeat_ms_max=section.heartbeat_ms_max,
        keep_alive_s=section.keep_alive_s,
        notifier=make_notifier(loaded, clock),
        scoped=ScopedKills(scoped_relay, loaded.config.venue, log),
    )
    names = GuardNames(engine=loaded.config.engine.name, version=version)
    people = loaded.config.control
    accounts = partial(line_of_account, loaded.data_dir)
    control = GuardControl(guard, names, clock, two_people_arm="arm" in people.second_person, line_of_account=accounts)
    server = ControlServer(loaded.guard_socket, control, clock=clock, operators=frozenset(people.operators))
    try:
        server.open(asyncio.get_running_loop())
        await guard.run()
    finally:
        server.close()
        relay.close()
        scoped_relay.close()
        for close in closers:
            await close()
        log.close()


def make_notifier(loaded: LoadedConfig, clock: Clock) -> NotifierAlarm | None:
    """The watch over the notifier, where alarms are to be delivered at all."""
    alerts = loaded.config.alerts
    if alerts is None:
        return None
    commands = {name: Command(item.argv, item.timeout_ms / MS_PER_S) for name, item in alerts.command.items()}
    sight = NotifierSight(loaded.runtime_dir, clock, alerts.notifier_heartbeat_s_max)
    return NotifierAlarm(loaded.config.engine.name, sight, commands, clock, alerts.repeat_s)


def make_venue(
    name: str, venue: VenueSection, key: Credentials, net: LiveNet, clock: Clock
) -> tuple[GuardedVenue, Callable[[], Any]]:
    """One venue's cancelling session and how to close it."""
    tls = net.tls_context(venue.tls_ca) if venue.rest_url.startswith("https") else None
    http = net.http_client(
        venue.rest_url,
        tls=tls,
        timeout_s=REQUEST_TIMEOUT_S,
        connect_timeout_s=REQUEST_TIMEOUT_S,
        connections_max=CONNECTIONS_MAX,
    )
    sign = signer(key.key_type, key.secret, ed25519_signer)
    canceller = RestCancel(http, clock, ROUTES[venue.kind], key.api_key, sign, venue.recv_window_ms)
    # the venue refuses what reaches it later than recvWindow: from then on nothing that was under way can still open an order
    second_look_s = venue.recv_window_ms / 1000
    return GuardedVenue(name, tuple(venue.symbols), canceller, second_look_s), http.close
