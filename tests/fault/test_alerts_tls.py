"""R33 over TLS: only an authority that the configuration names is trusted; a certificate that is refused is an alarm itself."""

from __future__ import annotations

import ssl
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.model.codes import AlarmCode, RecordKind
from engine.sim.wire.tls import CA_FILE, VALID_DAYS, server_context
from tests.fault.alarm_receiver import AlarmReceiver, Desk, alarm_receiver, config_with, until
from tests.ledger_harness import Ledger, body

DAY_NS = 86_400_000_000_000


def authority(folder: Path, age_days: int = 0) -> ssl.SSLContext:
    """An authority of its own with a server's certificate for 127.0.0.1."""
    return server_context(folder, time.time_ns() - age_days * DAY_NS)


def channel(name: str, receiver: AlarmReceiver, ca: Path | None) -> str:
    trusted = f'tls_ca = "{ca / CA_FILE}"\n' if ca is not None else ""
    return f'[alerts.webhook.{name}]\nurl = "{receiver.url}"\ntimeout_ms = 3000\n{trusted}'


def lost(receiver: AlarmReceiver, *, is_over: bool = False) -> set[str]:
    """The texts of the channels that are told to be lost, or well again."""
    rows = [row for told in list(receiver.taken) for row in told["alarms"] if row["code"] == "CHANNEL_LOST"]
    return {row["text"] for row in rows if bool(row.get("is_over")) == is_over}


@pytest.mark.invariant("R33")
def test_only_a_certificate_of_the_named_authority_for_the_named_host_is_spoken_to_and_others_are_alarms(
    tmp_path: Path,
) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    right, wrong = authority(ours), authority(other)
    outdated = authority(tmp_path / "outdated", VALID_DAYS + 2)
    ledger = Ledger(tmp_path)
    ledger.journal.flush()
    with ExitStack() as stack:
        good = stack.enter_context(alarm_receiver(200, tls=right))
        foreign = AlarmReceiver(200, tls=wrong)
        stack.callback(lambda: foreign.close())
        expired = stack.enter_context(alarm_receiver(200, tls=outdated))
        # the certificate is for 127.0.0.1
        misnamed = stack.enter_context(alarm_receiver(200, tls=right, host="127.0.0.2"))
        # without `tls_ca` the system's authorities count, and ours is none of them
        unnamed = stack.enter_context(alarm_receiver(200, tls=right))
        refused = {"foreign": foreign, "expired": expired, "misnamed": misnamed, "unnamed": unnamed}
        trusted: dict[str, Path | None] = {"expired": tmp_path / "outdated", "unnamed": None}
        text = "[alerts]\ndisk_free_mb_min = 0\nlost_after_s = 1\n" + channel("good", good, ours)
        text += "".join(channel(name, receiver, trusted.get(name, ours)) for name, receiver in refused.items())
        desk = Desk(config_with(tmp_path, text))
        try:
            ledger.add(RecordKind.ALARM, body(RecordKind.ALARM, state=AlarmCode.KILLED), instrument_id=1)
            ledger.journal.flush()
            until(lambda: "KILLED" in good.codes(), "the alarm was not taken")
            until(lambda: len(lost(good)) == len(refused), f"not every loss was told: {lost(good)}")
            for name in refused:
                (told,) = (row for row in lost(good) if f"channel {name} " in row)
                assert "the server's certificate is not trusted" in told
            assert [receiver.requests for receiver in refused.values()] == [[]] * len(refused)
            # the receiver gets a certificate of the right authority: what waits comes, and the loss is over
            port = foreign.port
            foreign.close()
            foreign = AlarmReceiver(200, tls=right, port=port)
            until(lambda: "KILLED" in foreign.codes(), "what waited did not come")
            until(lambda: any("foreign" in row for row in lost(good, is_over=True)), "its end was not told")
        finally:
            assert desk.stop() == 0
    ledger.journal.close(reason="test")
