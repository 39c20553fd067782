"""Numbers that journal records use for names, kept over restarts: venues, assets, instruments, strategies.

A record from last year must mean today what it meant then, so a number is never given to another name. The file is
replaced whole and durably before the first record that uses a new number is written.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.runtime.disk import Disk

RESTORE = "restore it from a backup of this data directory"


class RegistryError(Exception):
    """The registry file is damaged; the text says what to do."""


class Names(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The file: position in a list, plus one, is the number. An asset is `NUMBER:NAME` of its venue, of the first without it."""

    venues: list[str] = []
    strategies: list[str] = []
    assets: list[str] = []
    instruments: list[InstrumentSpec] = []


class Registry:
    """Gives numbers out and keeps them. Call `save` before the journal uses what is new."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self.names = self._load()
        self._saved = msgspec.json.encode(self.names)

    def _load(self) -> Names:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return Names()
        except PermissionError:
            raise
        except OSError as error:
            raise RegistryError(f"{self._path}: {error.strerror}; {RESTORE}") from error
        try:
            return msgspec.json.decode(data, type=Names)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RegistryError(f"{self._path}: damaged: {error}; {RESTORE}") from error

    def venue_id(self, name: str) -> int:
        """Number of a configured venue, from 1."""
        return _number(self.names.venues, name)

    def strategy_id(self, name: str) -> int:
        """Number of a configured strategy, from 1."""
        return _number(self.names.strategies, name)

    def fill(self, tables: Tables, specs: list[InstrumentSpec]) -> None:
        """Put every known asset and instrument into the tables under its number.

        An instrument that is no longer configured stays, not trading. One whose tick or lot has changed gets a new number,
        because old records count in the old lots.
        """
        for spec in specs:
            self._note(spec)
        for asset in self.names.assets:
            line, colon, name = asset.partition(":")
            tables.asset_id(name if colon else asset, int(line) if colon else 1)
        wanted = {(spec.venue_id, spec.symbol): spec for spec in specs}
        for known in self.names.instruments:
            current = wanted.get((known.venue_id, known.symbol))
            if current is None or not _same_grid(current, known):
                current = msgspec.structs.replace(known, is_trading=False)
            if tables.append_instrument(current) == 0:
                raise RegistryError(f"{self._path}: more instruments than the tables hold; begin a new data directory")
        self.note_assets(tables)

    def note_assets(self, tables: Tables) -> bool:
        """Keep the numbers of assets that the tables have met (an account holds more than it trades); True where one is new."""
        before = len(self.names.assets)
        for number in range(1, tables.assets_given):
            asset, line = tables.given_asset(number)
            _number(self.names.assets, asset if line == 1 else f"{line}:{asset}")
        return len(self.names.assets) > before

    def keep_assets(self, tables: Tables) -> None:
        """Make the numbers that the tables have given durable: before they are used, since another start would give them anew.

        A write to disk on the busy thread, once in an asset's life and almost always during the first reconciliation.
        """
        if self.note_assets(tables):
            self.save()

    def _note(self, spec: InstrumentSpec) -> None:
        for index, known in enumerate(self.names.instruments):
            if (known.venue_id, known.symbol) == (spec.venue_id, spec.symbol) and _same_grid(known, spec):
                self.names.instruments[index] = spec
                return
        self.names.instruments.append(spec)

    def save(self) -> None:
        """Make new numbers durable; nothing is written when nothing is new."""
        data = msgspec.json.encode(self.names)
        if data != self._saved:
            self._disk.replace(self._path, data)
            self._saved = data


def _number(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name) + 1


def _same_grid(left: InstrumentSpec, right: InstrumentSpec) -> bool:
    return (left.tick_size_e8, left.lot_size_e8) == (right.tick_size_e8, right.lot_size_e8)
