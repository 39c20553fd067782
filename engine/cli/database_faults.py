"""What a recorder's database cannot do, as exit codes: the same for every command that reads or writes one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.exit_codes import CommandError, ExitCode


@contextmanager
def database_faults() -> Iterator[None]:
    """66 where nothing is recorded, 69 where it does not answer, 78 where it is not what the configuration says."""
    from engine.desk.recorder.faults import DatabaseDown, NothingRecorded, RecorderFault

    try:
        yield
    except DatabaseDown as error:
        raise CommandError(ExitCode.UNAVAILABLE, str(error)) from None
    except NothingRecorded as error:
        raise CommandError(ExitCode.NO_INPUT, str(error)) from None
    except RecorderFault as error:
        raise CommandError(ExitCode.CONFIG, str(error)) from None
