"""Load a configuration: one TOML file in, one frozen typed `Config` out, or every fault with its key and line.

Nothing is guessed: an unknown key is a fault (with the nearest known one named), and so are a missing key, a value of
another type or unit, a number out of range, NaN, and a key given twice. No file is opened but the configuration itself.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

from engine.config_alerts_schema import desk_faults
from engine.config_limits import scope_faults
from engine.config_schema import Config, VenueSection
from engine.config_source import Path as KeyPath
from engine.config_source import SourceMap, scan
from engine.line_names import UnknownSymbolError, line_of, lines_trading, risk_rows
from engine.model.dead_man_cost import feeding_fault
from engine.model.instruments import INT64_MAX, to_e8

__all__ = ["Config", "ConfigError", "LoadedConfig", "Problem", "load", "resolved"]

SOCKET_PATH_MAX = 107
LINES_MAX = 15
# a ring is called `approvals.NAME`, which must fit into 24 bytes
LINE_NAME = re.compile(r"^[A-Za-z0-9_-]{1,13}$")
# the kinds of venue that cancel by themselves when they are not told again in time
DEAD_MAN_KINDS = frozenset({"binance-usdm"})
# as the exchange publishes it (exchangeInfo, REQUEST_WEIGHT)
USDM_WEIGHT_MINUTE = 2_400
LOOPBACK = re.compile(r"^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$")
SECRET_WORDS = ("secret", "password", "passphrase", "api_key", "apikey", "token", "private")


@dataclass(frozen=True)
class Problem:
    """One fault: the line it stands on, the key, and what is wrong with it."""

    line: int
    key: str
    text: str


class ConfigError(Exception):
    """The configuration is refused (exit code 78). `problems` are sorted by line; the text gives each its own line."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.path = path
        self.problems = sorted(problems, key=lambda problem: (problem.line, problem.key))
        super().__init__("\n".join(f"{path}:{item.line}: {item.key}: {item.text}" for item in self.problems))


@dataclass(frozen=True)
class LoadedConfig:
    """A checked configuration, where it came from, and the hash that the journal's first record carries."""

    path: Path
    config: Config
    sha256: str

    @property
    def control_socket(self) -> Path:
        """The ipc socket of the control port."""
        return Path(self.config.control.socket or Path(self.config.engine.runtime_dir) / "control.sock")

    @property
    def guard_socket(self) -> Path:
        """The ipc socket of the guard, in the runtime directory."""
        return Path(self.config.engine.runtime_dir) / "guard.sock"

    @property
    def data_dir(self) -> Path:
        """The journal's directory."""
        return Path(self.config.engine.data_dir)

    @property
    def runtime_dir(self) -> Path:
        """Fronts, counters, control socket."""
        return Path(self.config.engine.runtime_dir)

    @property
    def counters_path(self) -> Path:
        """The mapped counters file."""
        return Path(self.config.engine.runtime_dir) / "counters"


@dataclass(frozen=True)
class _Key:
    name: str
    attribute: str
    type: Any
    meta: msgspec.Meta
    required: bool


@cache
def keys_of(section: type[msgspec.Struct]) -> dict[str, _Key]:
    """The keys of a table by their name in the file."""
    hints = get_type_hints(section, include_extras=True)
    found = {}
    for item in msgspec.structs.fields(section):
        kind, meta = _unwrap(hints[item.name])
        found[item.encode_name] = _Key(item.encode_name, item.name, kind, meta, item.required)
    return found


def _unwrap(hint: Any) -> tuple[Any, msgspec.Meta]:
    """The type and the description of `Annotated[type, Meta]`, also inside `... | None`."""
    if get_origin(hint) in (Union, UnionType):
        for member in get_args(hint):
            if get_origin(member) is Annotated:
                return hint, get_args(member)[1]
    if get_origin(hint) is Annotated:
        return hint, get_args(hint)[1]
    return hint, msgspec.Meta()


class _Checker:
    """Walks the parsed file along the schema and gathers every fault."""

    def __init__(self, path: Path, source: SourceMap) -> None:
        self.directory = path.resolve().parent
        self.source = source
        self.problems: list[Problem] = []

    def fault(self, path: KeyPath, text: str) -> None:
        self.problems.append(Problem(self.source.line_of(path), ".".join(path), text))

    def section(self, kind: type[msgspec.Struct], table: dict[str, Any], path: KeyPath) -> Any:
        """Build one table; None where it has a fault."""
        known = keys_of(kind)
        before = len(self.problems)
        for name in table:
            if name not in known:
                self.fault((*path, name), unknown_key_text(name, list(known)))
        values = {
            key.attribute: self.value(key, table[name], (*path, name)) for name, key in known.items() if name in table
        }
        for name, key in known.items():
            if key.required and name not in table:
                self.missing(key, (*path, name))
        return kind(**values) if len(self.problems) == before else None

    def missing(self, key: _Key, path: KeyPath) -> None:
        what = "table" if struct_in(key.type) or _dict_of_structs(key.type) else "key"
        hint = f" ({key.meta.description})" if key.meta.description else ""
        self.fault(path, f"missing: this {what} must be written out, it has no default{hint}")

    def value(self, key: _Key, raw: Any, path: KeyPath) -> Any:
        """One value, converted; a fault leaves None."""
        inner = _dict_of_structs(key.type)
        if inner is not None:
            return self.tables(inner, raw, path)
        struct = struct_in(key.type)
        if struct is not None and (isinstance(raw, dict) or struct is key.type):
            return self.section(struct, raw, path) if isinstance(raw, dict) else self.fault(path, "must be a table")
        if (text := _float_fault(raw)) is not None:
            return self.fault(path, text)
        extra = key.meta.extra or {}
        try:
            value = msgspec.convert(raw, key.type)
        except msgspec.ValidationError as error:
            return self.fault(path, type_fault_text(str(error), key, extra))
        return self.special(extra, value, path) if isinstance(value, str) else value

    def tables(self, inner: type[msgspec.Struct], raw: Any, path: KeyPath) -> Any:
        if not isinstance(raw, dict):
            return self.fault(path, "must be tables, one for each name")
        built = {}
        for name, table in raw.items():
            if isinstance(table, dict):
                built[name] = self.section(inner, table, (*path, name))
            else:
                self.fault((*path, name), f"must be a table [{'.'.join(path)}.{name}]")
        return built

    def special(self, extra: dict[str, Any], value: str, path: KeyPath) -> Any:
        """Checks that msgspec has no word for: exact decimals, URLs, paths."""
        text = None
        if "decimal" in extra:
            text = decimal_fault(value)
        elif "url" in extra:
            text = url_fault(value, extra["url"].split())
        elif "path" in extra:
            if not value or "\0" in value:
                return self.fault(path, "must be a path")
            return os.path.normpath(self.directory / value)
        return value if text is None else self.fault(path, text)


def struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that `kind` is or may be."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    if get_origin(kind) is Annotated:
        return struct_in(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return next((found for member in get_args(kind) if (found := struct_in(member)) is not None), None)
    return None


def _dict_of_structs(kind: Any) -> type[msgspec.Struct] | None:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is dict:
        return struct_in(get_args(kind)[1])
    return None


def _float_fault(raw: Any) -> str | None:
    """NaN and infinity are refused wherever they stand."""
    if isinstance(raw, float) and not math.isfinite(raw):
        return "is not a finite number"
    inner = raw.values() if isinstance(raw, dict) else raw if isinstance(raw, list) else ()
    return next((text for item in inner if (text := _float_fault(item)) is not None), None)


def unknown_key_text(name: str, known: list[str]) -> str:
    """What to say of a key that is not in the schema; its value is never shown."""
    if any(word in name.lower() for word in SECRET_WORDS):
        return "unknown key; secrets do not belong in a configuration: name credential files by `credential`"
    stem = re.sub(r"_(ns|us|ms|s|minutes|hours|days|bytes|kb|mb|bps|pct)$", "", name.lower())
    same = [key for key in known if key != name and re.sub(r"_[a-z]+$", "", key) == stem and "_" in key]
    near = same or difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f'unknown key; did you mean "{near[0]}"?' if near else f"unknown key; known here: {', '.join(known)}"


def unit_of(name: str) -> str:
    """The unit that a key's last word names."""
    units = {
        "ms": "milliseconds",
        "s": "seconds",
        "days": "days",
        "minutes": "minutes",
        "bytes": "bytes",
        "bps": "basis points",
    }
    return units.get(name.rsplit("_", 1)[-1], "")


def literals_of(kind: Any) -> list[str]:
    """The words that a type with `Literal` allows."""
    if get_origin(kind) is Literal:
        return [str(word) for word in get_args(kind)]
    return [word for member in get_args(kind) for word in literals_of(member)]


def type_fault_text(error: str, key: _Key, extra: dict[str, Any]) -> str:
    """msgspec's refusal in the words of a configuration, with the unit."""
    if "decimal" in extra:
        return 'must be decimal text in quotes, as "0.25"'
    if "Invalid enum value" in error:
        return "must be one of " + ", ".join(f'"{word}"' for word in literals_of(key.type))
    if "matching regex" in error and "wanted" in extra:
        return f"must be {extra['wanted']}"
    text = error.split(" - at ")[0].replace("Expected", "must be").replace("`", "").replace("array", "list")
    unit = unit_of(key.name)
    return f"{text}; a plain number of {unit}" if unit and "int" in text else text


def decimal_fault(value: str) -> str | None:
    """Why `value` is no positive amount of at most 8 decimals that fits 64 bits; None where it is."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return decimal_shape_fault(value)
    if Decimal(value) * 10**8 > INT64_MAX:
        return f"is above {Decimal(INT64_MAX) / 10**8:.8f}, the largest amount that can be held"
    try:
        return None if to_e8(value) > 0 else "must be above 0"
    except ValueError:
        return "has more than 8 decimals"


def decimal_shape_fault(value: str) -> str:
    """What is wrong with a text that is not digits with a point between."""
    if re.fullmatch(r"[0-9.]+\s*[A-Za-z%]+", value):
        return "carries a unit; write the bare number, the unit is fixed by the key"
    try:
        number = Decimal(value)
    except InvalidOperation:
        return 'must be decimal text, as "0.25"'
    if not number.is_finite():
        return "is not a finite number"
    return "must be above 0" if number <= 0 else 'must be plain digits, as "0.25"'


def url_fault(value: str, schemes: list[str]) -> str | None:
    """Why `value` is no acceptable address; None where it is."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return f"is no URL: {error}"
    if parts.scheme not in schemes or not host:
        return f"must be a URL that begins with {' or '.join(scheme + '://' for scheme in schemes)}"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "must hold no user, password, query or fragment"
    if port == 0:
        return "port 0 cannot be connected to"
    if parts.scheme in ("http", "ws") and not LOOPBACK.match(host):
        return f"{parts.scheme}:// would send keys in the clear; use {schemes[0]}:// for a host that is not this one"
    return None


def load(path: str | Path) -> LoadedConfig:
    """Read and check a configuration. Raises ConfigError with every fault found."""
    path = Path(path)
    text = _read(path)
    source = scan(text)
    if source.duplicates:
        raise ConfigError(path, [_duplicate(item) for item in source.duplicates])
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, [_syntax_problem(str(error), text)]) from None
    checker = _Checker(path, source)
    config = checker.section(Config, table, ())
    if config is not None:
        for key, fault in cross_faults(config):
            checker.fault(key, fault)
    if checker.problems:
        raise ConfigError(path, checker.problems)
    return LoadedConfig(path.resolve(), config, digest(config))


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise ConfigError(path, [Problem(1, "file", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(path, [Problem(line, "file", "is not UTF-8 text")]) from None


def _duplicate(item: tuple[KeyPath, int, int]) -> Problem:
    key, line, first = item
    return Problem(line, ".".join(key), f"given twice: it stands already on line {first}")


def _syntax_problem(error: str, text: str) -> Problem:
    """tomllib's message with the line and, where a key stands on it, the key."""
    found = re.search(r"at line (\d+), column \d+", error)
    line = int(found[1]) if found else text.count("\n") + 1
    content = text.splitlines()[line - 1] if line <= len(text.splitlines()) else ""
    key = re.match(r"\s*([\w.\"'-]+)\s*=", content)
    return Problem(line, key[1] if key else "syntax", re.sub(r" \(at .*\)$", "", error))


def cross_faults(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Faults that only two keys together show."""
    if not config.venue:
        yield ("venue",), "at least one [venue.NAME] is needed"
    yield from paper_faults(config)
    for name, venue in config.venue.items():
        yield from venue_faults(config, name, venue)
    yield from line_faults(config)
    yield from symbol_faults(config)
    yield from scope_faults(config)
    yield from journal_faults(config)
    if config.engine.data_dir == config.engine.runtime_dir:
        yield ("engine", "runtime_dir"), "must not be data_dir: one outlives a power cut, the other is memory"
    socket = config.control.socket or f"{config.engine.runtime_dir}/control.sock"
    if len(socket.encode()) > SOCKET_PATH_MAX:
        key = ("control", "socket") if config.control.socket else ("engine", "runtime_dir")
        yield key, f"the socket path {socket} is longer than {SOCKET_PATH_MAX} bytes, the system's limit"
    if config.guard is not None and config.guard.key_type is not None and config.guard.credential is None:
        yield ("guard", "key_type"), "is about a key of the guard's own: name it by `credential`, or leave this out"
    yield from desk_faults(config.desk.listen, config.alerts)


def paper_faults(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Paper needs no key and nobody outside to cancel for it; every other mode needs the key written out."""
    is_paper = config.engine.mode == "paper"
    for name, venue in config.venue.items():
        for key, absent in (("credential", ""), ("key_type", "none")):
            if getattr(venue, key) == absent and not is_paper:
                yield (
                    ("venue", name, key),
                    'missing: this key must be written out, only engine.mode = "paper" needs none',
                )
    if is_paper and config.guard is not None:
        yield ("guard",), 'engine.mode is "paper": no order stands at the venue that a guard could cancel; leave it out'
    for asset, amount in config.paper.balances.items():
        if (text := decimal_fault(amount)) is not None:
            yield ("paper", "balances", asset), text


def venue_faults(config: Config, name: str, venue: VenueSection) -> Iterator[tuple[KeyPath, str]]:
    """A simulation never talks to another host; a symbol stands once."""
    for key in ("rest_url", "stream_url", "ws_api_url"):
        host = urlsplit(getattr(venue, key)).hostname or ""
        if config.engine.mode == "sim" and not LOOPBACK.match(host):
            yield ("venue", name, key), 'engine.mode is "sim": only a venue on this host is allowed'
    if venue.deadman_ms is not None and venue.kind not in DEAD_MAN_KINDS:
        text = f"{venue.kind} has no dead-man switch: leave this out, and run `tradewind guard` with a table [guard]"
        yield ("venue", name, "deadman_ms"), text
    elif venue.deadman_ms is not None and config.engine.mode == "live":
        # a simulated venue's limit may be another: what it publishes is asked at start
        text = feeding_fault(venue.deadman_ms, len(venue.symbols), USDM_WEIGHT_MINUTE)
        if text:
            yield ("venue", name, "deadman_ms"), text
    if len(set(venue.symbols)) != len(venue.symbols):
        yield ("venue", name, "symbols"), "a symbol stands twice"
    yield from futures_faults(name, venue)


def futures_faults(name: str, venue: VenueSection) -> Iterator[tuple[KeyPath, str]]:
    """What a futures account must be set to is written out; a spot account has no such settings."""
    for key in ("leverage", "margin_type", "position_mode"):
        is_given = getattr(venue, key) is not None
        if venue.kind == "binance-usdm" and not is_given:
            yield ("venue", name, key), "missing: a futures venue needs it written out, it has no default"
        elif venue.kind == "binance-spot" and is_given:
            yield ("venue", name, key), 'only a futures venue has it: kind = "binance-usdm"'


def line_faults(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Names that can stand before a symbol, and one section for one account."""
    accounts: dict[tuple[str, str, str], str] = {}
    for name, venue in config.venue.items():
        if not LINE_NAME.match(name):
            yield ("venue", name), "a venue's name is 1 to 13 of a-z A-Z 0-9 _ -"
        other = accounts.setdefault((venue.kind, venue.rest_url, venue.credential), name)
        if other != name:
            yield (
                ("venue", name, "credential"),
                f"[venue.{other}] trades with this key already: a section is one account",
            )
    if len(config.venue) > LINES_MAX:
        yield ("venue",), f"at most {LINES_MAX} venues and accounts in one engine"


def symbol_faults(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Each traded symbol has limits; limits and strategies name only traded symbols, strategies without a doubt which."""
    traded = sorted({symbol for venue in config.venue.values() for symbol in venue.symbols})
    for _, symbol, key in risk_rows(config):
        if key not in config.risk.instrument:
            yield ("risk", "instrument", symbol), "missing: a traded symbol needs its limits, they have no default"
    for key in config.risk.instrument:
        if not lines_trading(config.venue, key):
            yield ("risk", "instrument", key), _unknown_symbol(key, traded)
    for name in config.strategy:
        yield from strategy_faults(config, name, traded)


def strategy_faults(config: Config, name: str, traded: list[str]) -> Iterator[tuple[KeyPath, str]]:
    """Every symbol is of one line, and stands once."""
    key, meant = ("strategy", name, "symbols"), []
    for text in config.strategy[name].symbols:
        if not lines_trading(config.venue, text):
            yield key, f"{text}: {_unknown_symbol(text, traded)}"
            continue
        try:
            meant.append(line_of(config.venue, text))
        except UnknownSymbolError as error:
            yield key, str(error)
    if len(set(meant)) != len(meant):
        yield key, "a symbol stands twice"


def _unknown_symbol(symbol: str, traded: list[str]) -> str:
    near = difflib.get_close_matches(symbol, traded, n=1)
    return "no venue lists this symbol" + (f"; did you mean {near[0]}?" if near else "")


def journal_faults(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Fronts are powers of two, and a segment is no smaller than what one claim may take of a front."""
    for key in ("ledger_front_bytes", "tape_front_bytes"):
        size = getattr(config.journal, key)
        if size & (size - 1):
            yield ("journal", key), f"must be a power of two, as {1 << size.bit_length()}"
    fronts = max(config.journal.ledger_front_bytes, config.journal.tape_front_bytes)
    if config.journal.segment_bytes < fronts // 8:
        yield ("journal", "segment_bytes"), "must be at least an eighth of the larger front"


def resolved(loaded: LoadedConfig) -> dict[str, Any]:
    """The configuration as it applies, defaults and paths filled in; a configuration holds no secrets."""
    plain: dict[str, Any] = msgspec.to_builtins(loaded.config)
    plain["control"]["socket"] = str(loaded.control_socket)
    return plain


def digest(config: Config) -> str:
    """SHA-256 of the resolved configuration with sorted keys."""
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()
