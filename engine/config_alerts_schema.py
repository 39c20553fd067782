"""The shape of a configuration's alerts: who is told, how, and from which severity on; see `engine.config_schema`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from engine.config_metas import Section, count_meta, path_meta, text_meta, url_meta

FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Severities = Literal["info", "warning", "critical"]


class ChannelKeys(Section, frozen=True, kw_only=True):
    """What every channel has."""

    severity: Annotated[Severities, Meta(description="alarms below this are not sent here")] = "warning"
    when: Annotated[
        Literal["always", "repeats"],
        Meta(description="every alarm, or only critical ones that nobody acknowledged in `repeat_s`"),
    ] = "always"
    timeout_ms: Annotated[int, Meta(ge=100, le=120_000, description="one delivery, as a whole")] = 3_000


class WebhookSection(ChannelKeys, frozen=True, kw_only=True):
    """A channel that posts each alarm as JSON; 2xx is delivered."""

    url: (
        Annotated[str, url_meta("https http", "where to; `http` only on this host; or name a file by `url_credential`")]
        | None
    ) = None
    url_credential: (
        Annotated[
            str,
            text_meta(
                FILE_NAME,
                "a file name without its ending",
                "for an address that is itself a secret: the file `NAME.url` in $CREDENTIALS_DIRECTORY",
            ),
        ]
        | None
    ) = None
    credential: (
        Annotated[
            str,
            text_meta(
                FILE_NAME,
                "a file name without its ending",
                "sign with the secret in the file `NAME.secret` of $CREDENTIALS_DIRECTORY; absent: not signed",
            ),
        ]
        | None
    ) = None
    tls_ca: Annotated[str, path_meta("trust this certificate authority (PEM) instead of the system's")] | None = None


class CommandSection(ChannelKeys, frozen=True, kw_only=True):
    """A channel that runs a program for each alarm: JSON on its standard input; exit code 0 is delivered."""

    argv: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=4096)], ...],
        Meta(
            min_length=1,
            max_length=64,
            description="the program by its absolute path, and its arguments; no shell",
            extra={"wanted": 'a list of texts, as ["/usr/local/bin/page", "ops"]'},
        ),
    ]


class AlertsSection(Section, frozen=True, kw_only=True):
    """Who is told of alarms; `tradewind desk` delivers them. At least one `[alerts.webhook.NAME]` or `[alerts.command.NAME]`."""

    webhook: dict[str, WebhookSection] = msgspec.field(default_factory=dict)
    command: dict[str, CommandSection] = msgspec.field(default_factory=dict)
    repeat_s: Annotated[
        int, Meta(ge=10, le=86_400, description="critical alarms that nobody acknowledged are sent again after this")
    ] = 300
    burst: Annotated[int, count_meta("messages at once to a channel; then alarms are put together", 1000)] = 10
    interval_s: Annotated[
        int, Meta(ge=1, le=4, description="after a burst one message to a channel in this time, with all that came")
    ] = 4
    lost_after_s: Annotated[
        int, Meta(ge=1, le=3600, description="a channel that takes nothing for so long is itself an alarm")
    ] = 15
    notifier_heartbeat_s_max: Annotated[
        int, Meta(ge=5, le=3600, description="no sign of life of the notifier for so long: engine and guard say so")
    ] = 15
    engine_heartbeat_ms_max: Annotated[
        int, Meta(ge=100, le=4_000, description="no progress of the engine for so long is an alarm")
    ] = 2_000
    disk_free_mb_min: Annotated[
        int, Meta(ge=0, le=1 << 30, description="less room for the data directory is an alarm; 0: not looked at")
    ] = 1_000


def desk_faults(listen: str, alerts: AlertsSection | None) -> Iterator[tuple[tuple[str, ...], str]]:
    """What only several keys together show."""
    if int(listen.rsplit(":", 1)[1]) > 65535:
        yield ("desk", "listen"), "the port is above 65535"
    if alerts is not None:
        yield from alert_faults(alerts)


def alert_faults(alerts: AlertsSection) -> Iterator[tuple[tuple[str, ...], str]]:
    """Channels that nobody could reach, or that all keep silent at first."""
    if not alerts.webhook and not alerts.command:
        yield (
            ("alerts",),
            "at least one [alerts.webhook.NAME] or [alerts.command.NAME] is needed; or leave the table out",
        )
    for name in alerts.webhook.keys() & alerts.command.keys():
        yield ("alerts", "command", name), "a webhook has this name, too: every channel needs a name of its own"
    channels: list[ChannelKeys] = [*alerts.webhook.values(), *alerts.command.values()]
    if channels and all(channel.when == "repeats" for channel in channels):
        yield ("alerts",), 'every channel has when = "repeats": one at least must hear alarms at once'
    for name, webhook in alerts.webhook.items():
        if bool(webhook.url) == bool(webhook.url_credential):
            yield (
                ("alerts", "webhook", name, "url"),
                "give the address here, or in a file by `url_credential`: one of both",
            )
    for name, command in alerts.command.items():
        if not command.argv[0].startswith("/"):
            yield ("alerts", "command", name, "argv"), "the program must be named by its absolute path"
