"""A channel that runs a program for each message: JSON on its standard input and in its environment; exit code 0 is delivered.

Nothing of our own environment goes along but PATH: credentials of the service must not reach a program that sends texts away.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence

from engine.notify.channel import DeliveryFailed
from engine.notify.message import Message

TOLD_MAX = 200
# one environment variable may hold 128 KiB: the whole message is on standard input in any case
ENVIRONMENT_BYTES_MAX = 100_000


class Command:
    """Runs `argv`, no shell, in a session of its own; killed with all it began when it takes longer than `timeout_s`."""

    def __init__(self, argv: Sequence[str], timeout_s: float) -> None:
        self._argv = list(argv)
        self._timeout_s = timeout_s

    async def send(self, message: Message) -> None:
        """Run it once; DeliveryFailed where it cannot be run, takes too long, or ends with another code than 0."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=environment(message, os.environ),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise DeliveryFailed(f"{self._argv[0]}: cannot be run: {error}") from error
        try:
            async with asyncio.timeout(self._timeout_s):
                _, told = await process.communicate(message.body)
        except TimeoutError as error:
            raise DeliveryFailed(f"{self._argv[0]}: took longer than {self._timeout_s:g} s and was killed") from error
        finally:
            await end(process)
        if process.returncode != 0:
            text = " ".join(told.decode("utf-8", "replace").split())[-TOLD_MAX:]
            raise DeliveryFailed(f"{self._argv[0]}: exit code {process.returncode} {text}".rstrip())

    async def close(self) -> None:
        """Nothing is kept."""


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill the program and what it began, if it is still there."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


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
