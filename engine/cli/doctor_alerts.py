"""The doctor's look at who is told of alarms."""

from __future__ import annotations

import os
from collections.abc import Iterator

from engine.cli.doctor_checks import Check, fail, ok, warn
from engine.config import LoadedConfig
from engine.config_alerts_schema import AlertsSection

MEND = "mend [alerts], or its files in $CREDENTIALS_DIRECTORY; then `tradewind alerts test`"


def alerts(loaded: LoadedConfig) -> Iterator[Check]:
    """Is anybody told, can every channel be used, does the notifier live and deliver."""
    section = loaded.config.alerts
    if section is None:
        yield warn(
            "alerts", "nobody is told of alarms", "add [alerts.webhook.NAME] or [alerts.command.NAME]; docs/alerts.md"
        )
        return
    yield from webhooks(section)
    for name, command in section.command.items():
        is_there = os.access(command.argv[0], os.X_OK)
        what = f"runs {command.argv[0]}" if is_there else f"{command.argv[0]} is no program that can be run"
        yield ok(f"alerts {name}", what) if is_there else fail(f"alerts {name}", what, MEND)
    yield notifier(loaded, section)


def webhooks(section: AlertsSection) -> Iterator[Check]:
    """Are the files of each webhook there and private; nothing is sent."""
    from engine.credentials import CredentialError
    from engine.notify.service import webhook_sender
    from engine.runtime.net import NetError
    from engine.runtime.world import World

    for name, webhook in section.webhook.items():
        try:
            webhook_sender(webhook, World.live())
        except (CredentialError, NetError) as error:
            yield fail(f"alerts {name}", str(error), MEND)
        else:
            signed = "signed" if webhook.credential else "not signed"
            yield ok(f"alerts {name}", f"a webhook, {signed}, from {webhook.severity} on")


def notifier(loaded: LoadedConfig, section: AlertsSection) -> Check:
    """The notifier's last sign of life."""
    from engine.notify.heartbeat import read_beat
    from engine.runtime.clock import Clock

    beat = read_beat(loaded.runtime_dir)
    mend = "start it: systemctl start tradewind-desk@NAME"
    if beat is None:
        return warn("notifier", "none runs: alarms wait in the ledger", mend)
    age_s = (Clock().monotonic_ns() - beat.mono_ns) // 1_000_000_000
    if not 0 <= age_s <= section.notifier_heartbeat_s_max:
        return fail("notifier", f"its last sign of life is {age_s} s old", mend)
    if beat.fault:
        return fail("notifier", f"alarms reach nobody: {beat.fault}", MEND)
    if beat.lost_channels:
        return warn("notifier", f"channels take nothing: {', '.join(beat.lost_channels)}", MEND)
    waits = f"{beat.pending} alarms wait, {beat.unacknowledged} are not acknowledged"
    return ok("notifier", f"runs, pid {beat.pid}; {waits}")
