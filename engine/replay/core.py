"""The recorded engine, wired again: the same stages over the recorded facts, with a recorded session at its edges."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from engine.app import Engine
from engine.audit.state import CoreState
from engine.audit.watch import differences
from engine.config import Config, LoadedConfig
from engine.control.catalog import Names
from engine.credentials import Credentials
from engine.exit_codes import CommandError, ExitCode
from engine.journal.cursor import parse
from engine.journal.journal import Journal
from engine.journal.replayed import masked_key
from engine.line import Line, LineInputs
from engine.model.instrument_rows import put_row
from engine.model.instruments import InstrumentSpec
from engine.model.tables import Tables
from engine.recovery.earlier import EarlierRuns
from engine.replay.recording import Recording
from engine.runtime.actor import Actor
from engine.runtime.clock import Clock
from engine.runtime.world import World
from engine.strategy.api import Strategy
from engine.strategy.loader import StrategyLoadError, load_strategy
from engine.venues.binance.replayed_orders import ReplayGateway, ReplayGateways

# a budget keeps nothing back here: whether a request left then, the journal says
LIMITS = {("ORDERS", "SECOND"): 1 << 30, ("ORDERS", "MINUTE"): 1 << 30, ("REQUEST_WEIGHT", "MINUTE"): 1 << 30}
ROW = struct.Struct("<IHHHHBBBxI4x32s" + "q" * 13 + "II" + "q" * 5 + "i" * 5 + "4x")
ROW_FIELDS = (
    *("instrument_id", "venue_id", "base_asset_id", "quote_asset_id", "settle_asset_id", "kind", "inverse"),
    *("is_trading", "version", "symbol", "tick_size_e8", "lot_size_e8", "value_numerator", "value_denominator"),
    *("min_qty_lots", "max_qty_lots", "min_price_ticks", "max_price_ticks", "min_notional_e8", "max_notional_e8"),
    *("multiplier_e8", "expiry_ns", "strike_ticks", "underlying_id", "native_order_types", "price_step_ticks"),
    *("qty_step_lots", "market_min_qty_lots", "market_max_qty_lots", "market_qty_step_lots", "max_orders"),
    *("max_conditional_orders", "max_account_conditional_orders", "max_iceberg_orders", "max_order_lists"),
)
OF_SPEC = frozenset(InstrumentSpec.__struct_fields__)


@dataclass(frozen=True)
class Replay:
    """A core that stands before its first recorded input."""

    recording: Recording
    engine: Engine = field(repr=False)
    gateways: ReplayGateways = field(repr=False)
    strategies: dict[str, Strategy] = field(repr=False)
    credentials: dict[str, Credentials] = field(repr=False)
    # a callback that hung then will hang again: the watchdog interrupts it
    has_hangs: bool = False


class RecordedNames:
    """Stands for the registry: numbers and rows are those of the recording."""

    def __init__(self, names: Names, rows: Mapping[int, bytes]) -> None:
        self._names, self._rows = names, rows

    def venue_id(self, name: str) -> int:
        """The line's number then."""
        return number_of(self._names.venues, name, "venue")

    def strategy_id(self, name: str) -> int:
        """The strategy's number then."""
        return number_of(self._names.strategies, name, "strategy")

    def fill(self, tables: Tables, _: object) -> None:
        """Every asset and every row under its number, as the recorded run had them."""
        lines = dict(asset_lines(self._rows.values())) | self._names.asset_lines
        for number, name in sorted(self._names.assets.items()):
            if tables.asset_id(name, lines.get(number, 1)) != number:
                raise CommandError(ExitCode.DATA_ERROR, f"asset {number} ({name}) cannot be given its number again")
        for number, row in sorted(self._rows.items()):
            if put_row(tables, row) != number:
                raise CommandError(ExitCode.DATA_ERROR, f"instrument {number} cannot be given its number again")

    def note_assets(self, _: Tables) -> bool:
        """Nothing is kept."""
        return False

    def keep_assets(self, _: Tables) -> None:
        """Nothing is kept."""

    def save(self) -> None:
        """Nothing is kept."""


def number_of(names: Mapping[int, str], name: str, what: str) -> int:
    """The number of a name. CommandError where the session had none."""
    found = next((number for number, known in names.items() if known == name), 0)
    if not found:
        raise CommandError(ExitCode.DATA_ERROR, f"the session knows no {what} {name!r}")
    return found


def asset_lines(rows: Iterable[bytes]) -> list[tuple[int, int]]:
    """(asset id, line) of what the rows name."""
    found = []
    for row in rows:
        fields = dict(zip(ROW_FIELDS, ROW.unpack(row), strict=True))
        found += [(fields[f"{which}_asset_id"], fields["venue_id"]) for which in ("base", "quote", "settle")]
    return found


def spec_of(row: bytes, assets: Mapping[int, str]) -> InstrumentSpec:
    """A row of the table as what it was made from."""
    fields = dict(zip(ROW_FIELDS, ROW.unpack(row), strict=True))
    return InstrumentSpec(
        **{name: value for name, value in fields.items() if name in OF_SPEC} |
        {
            "symbol": fields["symbol"].rstrip(b"\0").decode(),
            "inverse": bool(fields["inverse"]),
            "is_trading": bool(fields["is_trading"]),
            "base_asset": assets[fields["base_asset_id"]],
            "quote_asset": assets[fields["quote_asset_id"]],
            "settle_asset": assets[fields["settle_asset_id"]],
        }
    )  # fmt: skip


def build(
    recording: Recording,
    scratch: Path,
    *,
    strategies: Mapping[str, Strategy] | None = None,
    credentials: Mapping[str, Credentials] | None = None,
) -> Replay:
    """Wire the recorded engine, let it recover as it did, and stand before the first input.

    `scratch`: a directory for what a running engine maps (counters). `strategies`: in the place of the configured ones.
    `credentials`: by line; with them the signatures are compared too. CommandError where something of the session is gone.
    """
    session, config = recording.session, local(recording.config, scratch)
    chosen = dict(strategies) if strategies is not None else load_strategies(config)
    journal = Journal.in_memory(
        engine_id=recording.engine_id,
        epoch=recording.epoch,
        ring_bytes=config.journal.ledger_front_bytes,
        discards=True,
    )
    session.begin(journal)
    wall_ns, mono_ns = journal.now_ns
    clock = Clock.virtual(wall_ns=wall_ns, mono_ns=mono_ns)
    gateways = ReplayGateways(session)
    names = RecordedNames(recording.names, recording.rows)
    keys = dict(credentials or {})

    def gateway(line: Line) -> Actor:
        made = ReplayGateway("gateway" + line.suffix, line.session, session, has_key=line.name in keys)
        gateways.add(made)
        return made

    used = {name: keys.get(name) or stand_in(recording, name, v.key_type) for name, v in config.venue.items()}
    inputs = [LineInputs(name, venue, used[name], [], LIMITS) for name, venue in config.venue.items()]
    loaded = LoadedConfig(scratch / "replayed.toml", config, recording.start.get("config_hash", ""))
    engine = Engine(
        loaded, World.virtual(0, None, clock), journal, names, inputs, chosen,  # type: ignore[arg-type]
        stays_down=recording.facts.stays_down, gateway=gateway,
    )  # fmt: skip
    for line in engine.lines:
        for instrument_id in line.instrument_ids:
            engine.book.prepare(instrument_id)
    # all of the earlier ledger, as a start without snapshots folds it: the same state
    engine.recover(EarlierRuns(recording.data_dir, recording.epoch, uses_snapshots=False))
    state = CoreState(engine)
    gateways.on_state = lambda data: differences(parse(data)[0], state)
    session.follow(engine.pipeline, engine.timers, clock)
    engine.sequencer.follow(session)
    hangs = session.hangs()
    if hangs:
        engine.strategies.expect_hangs(hangs)
    return Replay(recording, engine, gateways, chosen, used, has_hangs=bool(hangs))


def local(config: Config, scratch: Path) -> Config:
    """The configuration with nothing in it that leads outside: what is mapped, is mapped in `scratch`."""
    return msgspec.structs.replace(config, engine=msgspec.structs.replace(config.engine, runtime_dir=str(scratch)))


def load_strategies(config: Config) -> dict[str, Strategy]:
    """The configured strategies. CommandError where a module is gone."""
    found = {}
    for name, section in config.strategy.items():
        try:
            found[name] = load_strategy(section.class_path, section.params)
        except StrategyLoadError as error:
            text = f"strategy.{name}: {error}; the session ran it: put its module where Python finds it (PYTHONPATH)"
            raise CommandError(ExitCode.CONFIG, text) from None
    return found


def stand_in(recording: Recording, name: str, key_type: str) -> Credentials:
    """Credentials of nobody: a key that begins and is as long as the one in the journal, and a secret of our own."""
    if key_type == "ed25519":
        return Credentials("ed25519", "masked", throwaway_pem())
    key = masked_key(recording.session, number_of(recording.names.venues, name, "venue"))
    # of a masked character any other will do: it is masked again before it is compared
    return Credentials("hmac", key.replace("*", "0") or "masked", b"no secret")


def throwaway_pem() -> bytes:
    """An Ed25519 key that nobody else has; a logged-on session signs no request with it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
