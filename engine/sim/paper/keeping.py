"""The paper account's file: what the account went through, written before anybody hears of it, read again at the next start.

Rows are appended in the turn of the venue in which something happened, before its reports leave: what the engine has heard is
always in the file, so that a killed engine finds an account that knows at least as much as its own journal. At a start the file is
written anew with what is still of use. A power cut may take the last rows; the start's reconciliation says so.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from engine.sim.paper.core import PaperCore, PaperUsdmCore
from engine.sim.paper.rows import ENCODER, VERSION, Head, PaperAccountError, Row, read_rows
from engine.sim.paper.spot_account import SpotAccount
from engine.sim.paper.usdm_account import UsdmAccount


class PaperBooks:
    """The file of one account. Raises PaperAccountError for one that cannot be read."""

    def __init__(self, path: Path, core: PaperCore | PaperUsdmCore, now_ns: int) -> None:
        self._account: SpotAccount | UsdmAccount = (
            SpotAccount(core) if isinstance(core, PaperCore) else UsdmAccount(core)
        )
        rows = read_rows(str(path), path.read_bytes()) if path.exists() else []
        self.is_new = not rows
        head = rows[0] if rows else Head(VERSION, self._account.market, now_ns)
        if not isinstance(head, Head) or head.market != self._account.market:
            raise PaperAccountError(f"{path} is of an account of another market; delete it for a new account")
        self.began_ns = head.began_ns
        if rows:
            self._account.restore(rows[1:], now_ns)
        self._descriptor = self._write_anew(path, [head, *self._account.image()])

    @staticmethod
    def _write_anew(path: Path, rows: list[Row]) -> int:
        """One file in place of the other, whole; returns the descriptor that goes on with it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        _write(descriptor, rows)
        os.fsync(descriptor)
        os.replace(fresh, path)
        return descriptor

    def note(self, events: Sequence[object]) -> None:
        """Events that are about to be published."""
        rows = self._account.rows_of(events)
        if rows:
            _write(self._descriptor, rows)

    def close(self) -> None:
        """The end of a run."""
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


def _write(descriptor: int, rows: Sequence[Row]) -> None:
    data = memoryview(b"".join(ENCODER.encode(row) + b"\n" for row in rows))
    while data:
        data = data[os.write(descriptor, data) :]
