"""R19: each class of fault on each key of the schema, whatever tables and keys it has: all are refused, naming key and line.

The keys come from the schema and their legal text from `tests.config_text.GOOD`; a table of the schema that GOOD lacks fails here.
Files are kept small - what is required, and one table whole - so that thousands of them take seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import msgspec
import pytest

from engine.cli.main import main
from engine.config import ConfigError, keys_of, literals_of, load, struct_in, unit_of
from engine.config_schema import Config
from engine.exit_codes import ExitCode
from tests.config_text import GOOD

HEADER = re.compile(r"^\[(.+)\]$")
CRASH_LOOP = "engine.crash_loop"
# tables that make sense only together
FAMILIES = ("alerts",)
# tables that a legal file cannot be without, beside the one that is tried
NEEDED = (
    "engine",
    "venue.sim",
    "risk",
    "risk.instrument.BTCUSDT",
    "risk.instrument.ETHUSDT",
    "strategy.maker",
    "reconcile",
)
UNITS = ("ns", "us", "ms", "s", "minutes", "days", "bytes", "bps")
ALWAYS_WRONG = ("nan", "inf", "-inf", "1979-05-27", "[[]]", '{ x = "1" }', "1e400")
WRONG_BY_KIND = {
    "int": ('"10"', '"10 ms"', "10.0", "true", "99999999999999999999", "[1]"),
    "bool": ("1", '"true"', "0.0", "[true]"),
    "text": ("1", "true", '""', '"\\u0000"', '["a"]'),
    "decimal": ("0.5", "1", '"0"', '"-1"', '"NaN"', '"0.5 BTC"', '"5%"', '"1e3"', '"0.123456789"', '"99999999999999"'),
    "word": ("1", "true", '"no such word"', '""'),
    "list": ("1", '"BTCUSDT"', "true", "[1]", "[[1]]"),
    "numbers": ("1", '"1"', "true", '["a"]', "[1.5]", "[-1]"),
    "table": ("1", '"x"', "true", "[1]"),
}


# misspelt, given twice, and at least so many values that cannot be
CLASSES = 2 + 10


@dataclass(frozen=True)
class Key:
    """A key of the schema in a table of GOOD: its type, and the line with its legal value."""

    table: str
    name: str
    type: Any
    meta: msgspec.Meta
    required: bool

    @property
    def path(self) -> str:
        return f"{self.table}.{self.name}"

    @property
    def plain(self) -> Any:
        """The type without `None` and annotations."""
        kind = self.type
        for _ in range(3):
            if get_origin(kind) is Annotated:
                kind = get_args(kind)[0]
            members = [member for member in get_args(kind) if member is not type(None)]
            if type(None) in get_args(kind) and len(members) == 1:
                kind = members[0]
        return kind

    @property
    def kind(self) -> str:
        """Which values are wrong for it."""
        if "decimal" in (self.meta.extra or {}):
            return "decimal"
        if get_origin(self.plain) in (tuple, list):
            return "numbers" if "int" in str(get_args(self.plain)[0]) else "list"
        if literals_of(self.type):
            return "word"
        plain = self.plain
        if plain in (int, bool, str):
            return {int: "int", bool: "bool", str: "text"}[plain]
        return "table" if get_origin(plain) is dict or plain is dict else "list"


def tables_of(section: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """Every table that the schema knows, with `*` for a name that a file chooses."""
    yield path, section
    for name, key in keys_of(section).items():
        below = f"{path}.{name}".lstrip(".")
        kind = get_args(key.type)[0] if get_origin(key.type) is Annotated else key.type
        if get_origin(kind) is dict and struct_in(get_args(kind)[1]) is not None:
            inner = struct_in(get_args(kind)[1])
            assert inner is not None
            yield from tables_of(inner, f"{below}.*")
        elif (struct := struct_in(key.type)) is not None:
            yield from tables_of(struct, below)


def written() -> dict[str, list[str]]:
    """GOOD by table: the lines of each, the crash loop as a table of its own."""
    found: dict[str, list[str]] = {}
    table = ""
    for line in GOOD.splitlines():
        if header := HEADER.match(line):
            table = header[1]
            found[table] = []
        elif line.startswith("crash_loop"):
            found[CRASH_LOOP] = ["count = 3", "minutes = 10"]
        elif line:
            found[table].append(line)
    return found


WRITTEN = written()
# one table for each type: `risk.venue.*` has the keys of `risk.account.*`
SECTIONS = {section: path for path, section in reversed(list(tables_of(Config))) if path}


def tables_in_good(path: str) -> list[str]:
    """The tables of GOOD that this one of the schema is."""
    shape = re.compile("^" + re.escape(path).replace(r"\*", r"[^.]+") + "$")
    return [table for table in WRITTEN if shape.match(table)]


def tables() -> dict[str, type[msgspec.Struct]]:
    """Table of GOOD -> its type. Of one type the first, and those with keys that the ones before lack."""
    found: dict[str, type[msgspec.Struct]] = {}
    for section in SECTIONS:
        seen: set[str] = set()
        for path in (path for path, one in tables_of(Config) if one is section):
            for table in tables_in_good(path):
                names = set(map(name_of, WRITTEN[table]))
                if not seen or names - seen:
                    found[table] = section
                seen |= names
    return found


def name_of(line: str) -> str:
    return line.split("=", 1)[0].strip()


TABLES = tables()


def is_tables(kind: Any) -> bool:
    """Does it hold a table for each of some names."""
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return get_origin(plain) is dict and struct_in(get_args(plain)[1]) is not None


def keys() -> list[Key]:
    """Every key that holds a value, and not tables of its own, in the table of GOOD that has it."""
    found: dict[tuple[Any, str], Key] = {}
    for table, section in TABLES.items():
        for name, key in keys_of(section).items():
            is_written = name in map(name_of, WRITTEN[table])
            if is_written and not is_tables(key.type) and struct_in(key.type) is None:
                found.setdefault((section, name), Key(table, name, key.type, key.meta, key.required))
    return list(found.values())


KEYS = keys()


def lines_of(table: str, *, whole: bool) -> list[str]:
    """A table of GOOD: all of it, or what is required; a venue is what it is only as a whole."""
    if whole or table not in TABLES or table.startswith("venue."):
        return WRITTEN[table]
    known = keys_of(TABLES[table])
    return [line for line in WRITTEN[table] if name_of(line) in known and known[name_of(line)].required]


def small(target: str) -> list[str]:
    """The lines of a legal file: what is required, and the table that is tried, whole."""
    lines = []
    family = target.partition(".")[0]
    beside = [table for table in WRITTEN if family in FAMILIES and table.partition(".")[0] == family]
    for table in dict.fromkeys((*NEEDED, *beside, target)):
        lines += [f"[{table}]", *lines_of(table, whole=table in (*beside, target))]
        if table == "engine" and target != CRASH_LOOP:
            lines.append('crash_loop = "off"')
    return lines


def place(lines: list[str], key: Key) -> int:
    """Index of the key's line."""
    begin = lines.index(f"[{key.table}]")
    return next(at for at in range(begin + 1, len(lines)) if name_of(lines[at]) == key.name)


class Tried:
    """Tries texts, without a file of each; counts them."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.path = folder / "engine.toml"
        self.count = 0
        self._text = ""
        patch.setattr("engine.config._read", lambda _: self._text)

    def refusal(self, lines: list[str]) -> ConfigError | None:
        """Why it is refused; None where it is legal."""
        self.count += 1
        self._text = "\n".join(lines) + "\n"
        try:
            load(self.path)
        except ConfigError as error:
            return error
        return None

    def refused(self, lines: list[str], path: str, line: int) -> None:
        """It is refused, naming key and line (from 1)."""
        error = self.refusal(lines)
        assert error is not None, f"{path}: {lines[line - 1]}: was taken"
        assert (path, line) in [(item.key, item.line) for item in error.problems], f"{lines[line - 1]}: {error}"
        assert f":{line}: {path}: " in str(error)


def edited(lines: list[str], at: int, *put: str) -> list[str]:
    return [*lines[:at], *put, *lines[at + 1 :]]


def bounds_of(key: Key) -> tuple[int | None, int | None]:
    """The least and the greatest that the schema lets an integer be."""
    members = (key.type, *get_args(key.type))
    metas = [key.meta, *(part for member in members for part in get_args(member) if isinstance(part, msgspec.Meta))]
    least = next((int(meta.ge) for meta in metas if meta.ge is not None), None)
    return least, next((int(meta.le) for meta in metas if meta.le is not None), None)


def wrong_values(key: Key) -> list[str]:
    """Texts that must not stand there: of every wrong type, not finite, with a unit, out of range."""
    found = [*WRONG_BY_KIND[key.kind], *ALWAYS_WRONG]
    if key.kind == "int":
        least, greatest = bounds_of(key)
        assert least is not None, f"{key.path} has no least value"
        assert greatest is not None, f"{key.path} has no greatest value"
        found += [str(least - 1), str(greatest + 1)]
    if key.kind == "table":
        # what a table of any names may hold is not finite all the same
        found = [text for text in found if not text.startswith("{")] + ["{ x = nan }", "{ x = [inf] }"]
    return found


def test_every_table_of_the_schema_stands_in_the_good_file_with_all_its_keys() -> None:
    lacking = [path for section, path in SECTIONS.items() if section not in TABLES.values()]
    assert lacking == [], "write one of each into tests/config_text.py"
    written_names = {table: set(map(name_of, lines)) for table, lines in WRITTEN.items()}
    for section in set(TABLES.values()):
        places = [table for table, one in TABLES.items() if one is section]
        known = keys_of(section)
        values = {name for name in known if struct_in(known[name].type) is None and not is_tables(known[name].type)}
        lacks = values - set().union(*(written_names[table] for table in places))
        assert lacks == set(), f"{places[0]}: write these into GOOD"


@pytest.mark.invariant("R19")
@pytest.mark.parametrize("table", TABLES)
def test_each_table_with_all_its_keys_is_legal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    assert Tried(tmp_path, monkeypatch).refusal(small(table)) is None


@pytest.mark.invariant("R19")
@pytest.mark.parametrize("table", TABLES)
def test_each_class_of_fault_on_each_key_is_refused_with_key_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, tried: Callable[[str, int], None]
) -> None:
    lines, trial = small(table), Tried(tmp_path, monkeypatch)
    for key in (key for key in KEYS if key.table == table):
        at = place(lines, key)
        line, number = lines[at], at + 1
        # misspelt, and in another unit
        misspelt = key.name[:-1] + "x" + key.name[-1]
        trial.refused(edited(lines, at, line.replace(key.name, misspelt, 1)), f"{table}.{misspelt}", number)
        if unit_of(key.name):
            stem, _, unit = key.name.rpartition("_")
            for other in (name for name in UNITS if name != unit and f"{stem}_{name}" not in keys_of(TABLES[table])):
                text = line.replace(key.name, f"{stem}_{other}", 1)
                trial.refused(edited(lines, at, text), f"{table}.{stem}_{other}", number)
        # missing, and given twice
        if key.required:
            trial.refused(edited(lines, at), key.path, lines.index(f"[{table}]") + 1)
        trial.refused(edited(lines, at, line, line), key.path, number + 1)
        for value in wrong_values(key):
            trial.refused(edited(lines, at, f"{key.name} = {value}"), key.path, number)
    assert trial.count >= CLASSES * sum(key.table == table for key in KEYS)
    tried("R19", trial.count)


@pytest.mark.invariant("R19")
@pytest.mark.parametrize("table", TABLES)
def test_values_at_the_ends_of_a_range_and_each_word_are_legal_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, tried: Callable[[str, int], None]
) -> None:
    lines, trial = small(table), Tried(tmp_path, monkeypatch)
    for key in (key for key in KEYS if key.table == table):
        at = place(lines, key)
        values = [str(bound) for bound in bounds_of(key)] if key.kind == "int" else []
        values += [f'"{word}"' if key.kind == "word" else f'["{word}"]' for word in literals_of(key.type)]
        for value in values:
            error = trial.refusal(edited(lines, at, f"{key.name} = {value}"))
            # another key may forbid it; its own type and range do not
            told = [] if error is None else [item.text for item in error.problems if item.key == key.path]
            assert not any(text.startswith(("must be int", "must be one of")) for text in told), f"{key.path}: {told}"
    if trial.count:
        tried("R19", trial.count)


@pytest.mark.invariant("R19")
@pytest.mark.parametrize("key", KEYS[:: len(KEYS) // 5], ids=lambda key: key.path)
def test_the_command_ends_with_78_and_names_key_and_line(
    tmp_path: Path, key: Key, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = small(key.table)
    at = place(lines, key)
    path = tmp_path / "engine.toml"
    path.write_text("\n".join(edited(lines, at, f"{key.name} = nan")) + "\n")
    assert main(["run", "--config", str(path)]) == ExitCode.CONFIG
    assert f"{path}:{at + 1}: {key.path}: " in capsys.readouterr().err
