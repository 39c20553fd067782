"""The notifier of one engine, built from its configuration, on a thread of its own beside desk's other duties."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.config import LoadedConfig
from engine.config_alerts_schema import AlertsSection, ChannelKeys, WebhookSection
from engine.credentials import CredentialError
from engine.notify.alarms import severity_of
from engine.notify.channel import Channel, ChannelTerms, Sender
from engine.notify.command import Command
from engine.notify.conditions import Conditions, Watched
from engine.notify.heartbeat import remove_beat, write_beat
from engine.notify.notifier import Notifier, NotifierTerms
from engine.notify.outbox import FILE_NAME, Outbox
from engine.notify.source import LedgerAlarms
from engine.notify.webhook import Webhook, divided, load_address, load_secret
from engine.runtime.net import LiveNet, ReconnectPolicy
from engine.runtime.world import World

NS_PER_S = 1_000_000_000
MS_PER_S = 1000
LOCK_NAME = "notifier.lock"
RETRY_FIRST_S = 0.5
RETRY_MOST_S = 20.0

Faults = Mapping[str, Callable[[], str]]


class AlertsFailed(Exception):
    """The notifier has ended by an error: desk must not go on as if people were told."""


class AlertsBusy(AlertsFailed):
    """Another desk delivers alarms of this engine (exit code 75)."""


def senders(alerts: AlertsSection, world: World) -> Iterator[tuple[str, ChannelKeys, Sender]]:
    """Every channel's name, keys and way, in the configuration's order. Raises CredentialError, NetError."""
    for name, webhook in alerts.webhook.items():
        yield name, webhook, webhook_sender(webhook, world)
    for name, command in alerts.command.items():
        yield name, command, Command(command.argv, command.timeout_ms / MS_PER_S)


def webhook_sender(section: WebhookSection, world: World) -> Webhook:
    """One webhook with its keys read."""
    net = LiveNet()
    address = section.url or load_address(section.url_credential or "")
    base, target = divided(address)
    if not base.startswith(("https://", "http://")):
        raise CredentialError(f"credential {section.url_credential}.url holds no http address")
    secret = load_secret(section.credential or "")
    timeout_s = section.timeout_ms / MS_PER_S
    http = net.http_client(
        base,
        tls=net.tls_context(section.tls_ca) if base.startswith("https") else None,
        timeout_s=timeout_s,
        connect_timeout_s=timeout_s,
        connections_max=1,
    )
    return Webhook(http, target, secret, world.clock)


def channels(alerts: AlertsSection, world: World) -> list[Channel]:
    """The configured channels, ready to send."""
    return [
        Channel(name, sender, channel_terms(alerts, keys), ReconnectPolicy(world.rng, RETRY_FIRST_S, RETRY_MOST_S))
        for name, keys, sender in senders(alerts, world)
    ]


def channel_terms(alerts: AlertsSection, keys: ChannelKeys) -> ChannelTerms:
    """A channel's keys in the notifier's units."""
    return ChannelTerms(
        severity=severity_of(keys.severity),
        is_for_repeats_only=keys.when == "repeats",
        burst=alerts.burst,
        interval_ns=alerts.interval_s * NS_PER_S,
        lost_after_ns=alerts.lost_after_s * NS_PER_S,
    )


def outbox_path(data_dir: Path) -> Path:
    """Where an engine's alarms are kept."""
    return data_dir / FILE_NAME


def watched(loaded: LoadedConfig, alerts: AlertsSection) -> Watched:
    """What desk looks at beside the ledger."""
    return Watched(
        counters=loaded.counters_path,
        data_dir=loaded.data_dir,
        guard_socket=loaded.guard_socket if loaded.config.guard is not None else None,
        heartbeat_ms_max=alerts.engine_heartbeat_ms_max,
        disk_free_mb_min=alerts.disk_free_mb_min,
    )


class AlertService:
    """Runs from `start` to `stop`. Credentials are read at once: what is missing refuses the start (CredentialError)."""

    def __init__(self, loaded: LoadedConfig, alerts: AlertsSection, faults: Faults, say: Callable[[str], None]) -> None:
        world = World.live()
        engine = loaded.config.engine.name
        self._runtime_dir = loaded.runtime_dir
        self._conditions = Conditions(watched(loaded, alerts), world.clock, faults)
        self._data_dir = loaded.data_dir
        self.notifier = Notifier(
            NotifierTerms(engine, os.getpid(), alerts.repeat_s * NS_PER_S),
            Outbox(outbox_path(loaded.data_dir)),
            channels(alerts, world),
            lambda outbox: LedgerAlarms(loaded.data_dir, engine, outbox.place),
            self._conditions.look,
            world.clock,
            lambda beat: write_beat(self._runtime_dir, beat),
            say,
        )
        self._failure: BaseException | None = None
        self._lock = -1
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)

    def start(self) -> None:
        """Begin to watch and tell."""
        for folder in (self._data_dir, self._runtime_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(self._runtime_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            self._lock = -1
            raise AlertsBusy(f"{self._runtime_dir / LOCK_NAME}: another desk delivers alarms of this engine") from error
        self._thread.start()

    def check(self) -> None:
        """Raises AlertsFailed where the notifier has ended by itself."""
        if self._failure is not None:
            raise AlertsFailed(f"the notifier has ended: {self._failure!r}") from self._failure

    def stop(self) -> None:
        """End it in order; what waits stands in the outbox."""
        if self._thread.is_alive():
            self.notifier.stop()
            self._thread.join()
            remove_beat(self._runtime_dir)
        self._conditions.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _run(self) -> None:
        try:
            asyncio.run(self.notifier.run())
        except BaseException as error:  # noqa: BLE001 - a thread's end must not be silent: `check` tells it
            self._failure = error
