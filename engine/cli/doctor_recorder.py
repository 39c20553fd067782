"""The doctor's look at the recorder: its libraries, its database, the schema there, how far it is behind."""

from __future__ import annotations

from collections.abc import Iterator

from engine.cli.doctor_checks import Check, fail, ok, warn
from engine.config import LoadedConfig

BEHIND_S_MAX = 60.0


def recorder(loaded: LoadedConfig) -> Iterator[Check]:
    """Can desk record where the configuration says."""
    from engine.desk.recorder.faults import DatabaseDown, RecorderFault
    from engine.desk.recorder.settings import plan_of

    if loaded.config.recorder is None:
        yield ok("recorder", "not configured: the ledger is the only record")
        return
    try:
        plan = plan_of(loaded)
        from engine.desk.recorder.database import Database

        database = Database(plan.url)
        try:
            present = database.revision()
        finally:
            database.close()
    except DatabaseDown as error:
        yield warn(
            "recorder", f"the database does not answer: {error}", "desk goes on trying; nothing is lost meanwhile"
        )
        return
    except RecorderFault as error:
        yield fail("recorder", str(error), "see docs/recorder.md")
        return
    yield ok("recorder", f"{database.shown} answers, schema {present or 'none yet: desk makes it'}")
    if not database.is_sqlite:
        yield dumped()
    yield from behind(loaded)


def dumped() -> Check:
    """Can `tradewind backup` copy a database on PostgreSQL."""
    from engine.backup.layout import BackupError
    from engine.backup.postgres import INSTALL, program

    try:
        return ok("recorder copies", f"{program('pg_dump')} copies the database with `tradewind backup`")
    except BackupError as error:
        return warn("recorder copies", str(error), INSTALL)


def behind(loaded: LoadedConfig) -> Iterator[Check]:
    """Is what is durable recorded soon."""
    from engine.desk.readers import reader_rows
    from engine.journal.tailing import RECORDER
    from engine.runtime.clock import Clock

    for row in reader_rows(loaded.data_dir, Clock().time_ns()):
        if row["reader"] != RECORDER:
            continue
        text = f"{row.get('lag_records', '?')} records, {row.get('lag_seconds', '?')} s behind"
        if row["fault"]:
            yield fail("recorder lag", row["fault"], "see docs/recorder.md, what to do when it is behind")
        elif row["lag_seconds"] > BEHIND_S_MAX:
            yield warn("recorder lag", text, "does desk run? `tradewind readers` tells more")
        else:
            yield ok("recorder lag", text)
