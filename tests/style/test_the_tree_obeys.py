"""The tree keeps the rules of the house."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.style import documents, layers, rules
from tests.style.tree import ROOT, Source, sources, walk

CODE = (".py", ".pyx", ".pxd")
TEXT = (*CODE, ".pyi", ".md", ".toml", ".h", ".c", "Makefile", ".service")

# Where the World itself is made: what everyone else is given, these ask the system for. The watchdog's C thread measures
# the very thread that could tell it the time. The demo is a person at a desk: it has its own clock and makes its own keys.
WORLD = ("engine/runtime/world.py", "ext/engine/runtime/clock.p", "ext/engine/runtime/watchdog.pyx", "engine/demo/")
# Compiled modules that nobody cimports - cold readers, a rehearsal for tests -: they have no `.pxd`.
WITHOUT_DECLARATIONS = {
    "ext/engine/journal/cursor.pyx",
    "ext/engine/journal/scan.pyx",
    "ext/engine/risk/rehearsal.pyx",
    "ext/engine/strategy/rehearsal.pyx",
    "ext/engine/venues/binance/seeded_exchange.pyx",
}


def breaches(rule: Callable[[Source], list[str]], found: list[Source]) -> list[str]:
    """All breaches of a rule."""
    return [line for source in found for line in rule(source)]


@pytest.mark.parametrize("rule", [rules.long_file, rules.long_function], ids=lambda rule: rule.__name__)
def test_files_and_functions_are_short(rule: Callable[[Source], list[str]]) -> None:
    assert breaches(rule, sources(".py", ".pyx")) == []


@pytest.mark.parametrize(
    "rule", [rules.unfinished, rules.machine_path, rules.registry_address], ids=lambda rule: rule.__name__
)
def test_text_is_finished_and_knows_no_machine(rule: Callable[[Source], list[str]]) -> None:
    examples = {"tests/style/test_rules_see_breaches.py"}
    lock_options = {"Makefile"} if rule is rules.registry_address else set()
    found = [
        source
        for source in sources(*TEXT, "requirements.lock", ".ci/run")
        if source.path not in examples | lock_options
    ]
    assert breaches(rule, found) == []


def test_names_say_what_is_inside() -> None:
    paths = [path.relative_to(ROOT).as_posix() for path in walk()]
    assert [line for path in paths for line in rules.vague_name(path)] == []


def test_only_the_command_line_prints() -> None:
    found = [
        s for s in sources(*CODE, below="engine") + sources(*CODE, below="ext") if not s.path.startswith("engine/cli/")
    ]
    assert breaches(rules.prints, found) == []


def test_time_and_chance_come_from_the_world() -> None:
    found = [s for s in sources(*CODE, below="engine") + sources(*CODE, below="ext") if not s.path.startswith(WORLD)]
    assert breaches(rules.clock_or_chance, found) == []


def test_compiled_stages_import_only_downward() -> None:
    contract = layers.rows()
    found = [
        line
        for source in sources(".pyx", ".pxd", ".pyi", below="ext")
        for line in layers.upward_imports(source, contract)
    ]
    assert found == []


def test_the_contract_of_layers_names_every_stage() -> None:
    names = {name for row, _ in layers.rows() for name in row}
    assert {"feed", "book", "strategy", "risk", "oms", "gateway", "journal", "runtime", "model"} <= names


def test_every_compiled_module_is_declared_and_typed() -> None:
    missing = []
    for source in sources(".pyx", below="ext"):
        path = Path(source.path)
        if source.path not in WITHOUT_DECLARATIONS and not (ROOT / path).with_suffix(".pxd").exists():
            missing.append(f"{path}: no .pxd beside it")
        if not (ROOT / path.relative_to("ext")).with_suffix(".pyi").exists():
            missing.append(f"{path}: no .pyi in {path.relative_to('ext').parent}")
        if not (ROOT / path).with_name("__init__.pxd").exists():
            missing.append(f"{path}: no __init__.pxd in its folder")
        if not (ROOT / path.relative_to("ext")).with_name("__init__.py").exists():
            missing.append(f"{path}: {path.relative_to('ext').parent} is no package")
    assert missing == []


def test_the_build_file_only_compiles() -> None:
    assert len((ROOT / "setup.py").read_text().splitlines()) <= 60


def test_every_test_can_fail() -> None:
    found = [source for source in sources(".py", below="tests") if Path(source.path).name.startswith("test_")]
    assert breaches(rules.asserts_nothing, found) == []


def test_slow_twins_know_nothing_of_the_engine() -> None:
    found = sources(".py", below="tests/reference")
    assert len(found) > 10
    assert breaches(layers.dependent_twin, found) == []


def test_links_lead_somewhere() -> None:
    assert breaches(documents.broken_links, sources(".md")) == []


def test_every_hot_function_exists() -> None:
    assert documents.hot_breaches() == []


def test_every_imported_library_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        re.split(r"[<>=\[;]", line)[0]
        for line in project["dependencies"]
        + [
            line
            for extra in ("numba", "sql", "postgres", "parquet")
            for line in project["optional-dependencies"][extra]
        ]
    }
    modules = {name.replace("-", "_") for name in declared} - {"pyzmq"} | {"zmq"}
    own = set(sys.stdlib_module_names) | {"engine", "__future__"}
    pattern = re.compile(r"^\s*(?:from|c?import)\s+(\w+)", re.MULTILINE)
    compiled_only = {"libc", "posix", "cpython", "cython"}
    found = [
        f"{source.path} imports {name}"
        for source in sources(".py", below="engine") + sources(".pyx", ".pxd", below="ext")
        for name in imported(source, pattern)
        if name not in own | modules | compiled_only
    ]
    assert found == []


def imported(source: Source, pattern: re.Pattern[str]) -> set[str]:
    """Top-level names that a file imports; text in docstrings is not import."""
    import ast

    if source.suffix != ".py":
        return {name for line in source.lines if "import" in line for name in pattern.findall(line)}
    names: set[str] = set()
    for node in ast.walk(source.syntax):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    page = (ROOT / "docs/dependencies.md").read_text()
    missing = {name for line in lines if f"`{(name := re.split(r'[<>=;]', line)[0])}`" not in page}
    assert missing == set()


def test_the_lock_pins_every_dependency_with_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.findall(r"^([\w.-]+)==[^\s]+(.*(?:\n    .*)*)", text, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    assert {re.split(r"[<>=;]", line)[0] for line in lines} <= {name for name, _ in blocks}
    assert [name for name, rest in blocks if "--hash=sha256:" not in rest] == []
