"""Who may import whom: the import contract of ``pyproject.toml``, for sources that import-linter cannot read."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

from tests.style.rules import breach
from tests.style.tree import ROOT, Source

IMPORT = re.compile(r"^\s*(?:from\s+(engine(?:\.\w+)*)\s+c?import\s+(.+)|c?import\s+(engine(?:\.\w+)+))")

# What a slow twin may be made of, besides other twins.
TWINS_KNOW = sys.stdlib_module_names | {"numpy"}

Rows = list[tuple[set[str], bool]]


def rows(pyproject: Path = ROOT / "pyproject.toml") -> Rows:
    """From high to low: the packages of a row, and whether they are blind to one another."""
    contract = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][0]
    return [(set(re.findall(r"\w+", row)), "|" in row) for row in contract["layers"]]


def imported_packages(line: str) -> set[str]:
    """The packages of ours that one line imports from."""
    match = IMPORT.match(line)
    if match is None:
        return set()
    module = match.group(1) or match.group(3)
    if module == "engine":
        return {name.split(" as ")[0].strip(" ()\\") for name in match.group(2).split("#")[0].split(",")} - {""}
    return {module.split(".")[1]}


def upward_imports(source: Source, layers: Rows) -> list[str]:
    """Imports of a higher row, or of a neighbour in a row of strangers."""
    parts = source.path.split("/")
    own = parts[parts.index("engine") + 1].split(".")[0]
    found: list[str] = []
    for number, line in enumerate(source.lines, 1):
        found += [
            breach(source, number, f"{own} must not import {other}")
            for other in sorted(imported_packages(line))
            if not may_import(own, other, layers)
        ]
    return found


def dependent_twin(source: Source) -> list[str]:
    """A slow twin that shares a constant with the engine shares its mistakes: it imports libraries and other twins only."""
    found: list[str] = []
    for node in ast.walk(source.syntax):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        found += [
            breach(source, node.lineno, f"a twin imports {module}")
            for module in modules
            if not module.startswith("tests.reference.") and module.split(".")[0] not in TWINS_KNOW
        ]
    return found


def may_import(own: str, other: str, layers: Rows) -> bool:
    """Same package, a lower row, or the same row where its packages may know one another."""
    if own == other:
        return True
    height = {name: index for index, (names, _) in enumerate(layers) for name in names}
    if own not in height or other not in height:
        return True
    if height[own] == height[other]:
        return not layers[height[own]][1]
    return height[own] < height[other]
