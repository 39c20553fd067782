"""A channel that runs a program for each message: JSON on its standard input and in its environment; exit code 0 is delivered.

Nothing of our own environment goes along but PATH: credentials of the service must not reach a program that sends texts away.
Its input and its errors are files without a name, in memory: what it leaves running holds no pipe that we wait for, and a full
disk hinders nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import Mapping, Sequence

from engine.notify.channel import DeliveryFailed
from engine.notify.message import Message

TOLD_MAX = 200
# one environment variable may hold 128 KiB: the whole message is on standard input in any case
ENVIRONMENT_BYTES_MAX = 100_000
# of its errors the end is told: what is longer than this is thrown away while it runs, memory is the engine's too
ERRORS_BYTES_MAX = 1 << 20
LOOK_S = 0.05


class Command:
    """Runs `argv`, no shell, in a session of its own. It alone is waited for: what it left running stays. Where it takes longer
    than `timeout_s` it is killed with its process group."""

    def __init__(self, argv: Sequence[str], timeout_s: float) -> None:
        self._argv = list(argv)
        self._timeout_s = timeout_s

    async def send(self, message: Message) -> None:
        """Run it once; DeliveryFailed where it cannot be run, takes too long, or ends with another code than 0."""
        with contextlib.ExitStack() as files:
            try:
                given, errors = (nameless(files, name) for name in ("alert", "errors"))
                with open(given, "wb", closefd=False) as file:
                    file.write(message.body)
                os.lseek(given, 0, os.SEEK_SET)
                # so that what is thrown away leaves no hole
                fcntl.fcntl(errors, fcntl.F_SETFL, os.O_APPEND)
                process = await asyncio.create_subprocess_exec(
                    *self._argv,
                    stdin=given,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=errors,
                    env=environment(message, os.environ),
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise DeliveryFailed(f"{self._argv[0]}: cannot be run: {error}") from error
            try:
                await ended(process, errors, self._timeout_s)
            except TimeoutError as error:
                raise DeliveryFailed(
                    f"{self._argv[0]}: took longer than {self._timeout_s:g} s and was killed"
                ) from error
            finally:
                await end(process)
            if process.returncode != 0:
                text = " ".join(tail(errors).decode("utf-8", "replace").split())[-TOLD_MAX:]
                raise DeliveryFailed(f"{self._argv[0]}: exit code {process.returncode} {text}".rstrip())

    async def close(self) -> None:
        """Nothing is kept."""


def nameless(files: contextlib.ExitStack, name: str) -> int:
    """A file in memory, closed with `files`. OSError where there is no room."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    files.callback(os.close, descriptor)
    return descriptor


async def ended(process: asyncio.subprocess.Process, errors: int, timeout_s: float) -> None:
    """Wait for the program itself, whoever holds its files; TimeoutError where it has not ended by then."""
    waiting = asyncio.ensure_future(process.wait())
    try:
        async with asyncio.timeout(timeout_s):
            while not (await asyncio.wait({waiting}, timeout=LOOK_S))[0]:
                if os.fstat(errors).st_size > ERRORS_BYTES_MAX:
                    os.ftruncate(errors, 0)
    except TimeoutError:
        if process.returncode is None:
            raise
    finally:
        waiting.cancel()


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill the program and its process group, if it is still there."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def tail(errors: int) -> bytes:
    """The end of what the program said."""
    wanted = 4 * TOLD_MAX
    return os.pread(errors, wanted, max(0, os.fstat(errors).st_size - wanted))


def environment(message: Message, ours: Mapping[str, str]) -> dict[str, str]:
    """What the program is told without reading its input."""
    told = {
        "PATH": ours.get("PATH", os.defpath),
        "TRADEWIND_ALERT_ID": message.id,
        "TRADEWIND_ALERT_SEVERITY": message.severity.word,
        "TRADEWIND_ALERT_TITLE": message.title.replace("\0", ""),
        "TRADEWIND_ALERT_COUNT": str(message.count),
    }
    if len(message.body) <= ENVIRONMENT_BYTES_MAX:
        told["TRADEWIND_ALERT"] = message.body.decode()
    return told
