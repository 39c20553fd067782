"""The project's own files, as the style rules see them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = {".git", ".venv", ".venv-clients", "build", "dist", "__pycache__", "node_modules", "run"}


@dataclass(frozen=True)
class Source:
    """One text file: its path below the project and its text."""

    path: str
    text: str

    @property
    def suffix(self) -> str:
        """The name's end with its dot, or nothing."""
        return Path(self.path).suffix

    @property
    def lines(self) -> list[str]:
        """Lines without their ends."""
        return self.text.splitlines()

    @property
    def syntax(self) -> ast.Module:
        """The parsed file; only for Python."""
        return parsed(self.path, self.text)


@cache
def parsed(path: str, text: str) -> ast.Module:
    """The syntax of a text, which a dozen rules look at; `conftest.py` lets go of it when they are done."""
    return ast.parse(text, path)


def walk(root: Path = ROOT) -> Iterator[Path]:
    """Every file of ours, in a steady order; what tools and builds leave behind is passed over."""
    for entry in sorted(root.iterdir()):
        if entry.name in FOREIGN or entry.name.endswith(("_cache", ".egg-info")):
            continue
        if entry.is_dir():
            yield from walk(entry)
        else:
            yield entry


def sources(*suffixes: str, below: str = "", root: Path = ROOT) -> list[Source]:
    """The text files below a folder whose name ends so."""
    return [
        Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
        for path in walk(root / below)
        if path.name.endswith(suffixes)
    ]
