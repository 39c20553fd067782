"""The exit codes of every Tradewind process, stable; docs/exit-codes.md lists them (from 64 on as in sysexits.h)."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process says when it ends."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    PROPOSED = 3
    DATA_ERROR = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    INTERNAL = 70
    CANNOT_CREATE = 73
    IO_ERROR = 74
    TEMPORARY = 75
    PROTOCOL = 76
    NO_PERMISSION = 77
    CONFIG = 78
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done; the answer is yes",
    ExitCode.REFUSED: "the engine refused the command, or the answer is no (a check found faults)",
    ExitCode.USAGE: "wrong command line",
    ExitCode.PROPOSED: "nothing has changed yet: the command waits for a second person (`ctl approve`)",
    ExitCode.DATA_ERROR: "the journal was written by a build whose record layout this one does not read",
    ExitCode.NO_INPUT: "what was asked for is not there (an order, a journal, a file)",
    ExitCode.UNAVAILABLE: "the engine or the venue cannot be reached, or a port is busy",
    ExitCode.INTERNAL: "an error inside Tradewind: please report it with the text on stderr",
    ExitCode.CANNOT_CREATE: "a file or directory cannot be made",
    ExitCode.IO_ERROR: "the disk failed, or the journal is damaged where it must be whole",
    ExitCode.TEMPORARY: "locked by a second engine on this journal or socket; or the venue asks for quiet",
    ExitCode.PROTOCOL: "the venue answered what its protocol does not allow, or its certificate is not trusted",
    ExitCode.NO_PERMISSION: "a credential is missing, readable by others or refused; or the caller may not command",
    ExitCode.CONFIG: "the configuration is wrong; every fault is named with its key and line",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C",
}


class CommandError(Exception):
    """A verb's orderly failure: one clear line on stderr and the exit code."""

    def __init__(self, code: ExitCode, text: str) -> None:
        super().__init__(text)
        self.code = code
