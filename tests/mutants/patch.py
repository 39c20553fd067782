"""A patch of this folder: which guard it takes away, which tests must notice, and the change itself.

Head lines (`Guard:`, one or more `Killed-by:` with a test's node id), then a unified diff. A hunk is found by its text, which must
stand exactly once in the file, and not by its line numbers: other work above it does not put it out of order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]


class DoesNotApply(Exception):
    """The text that a patch changes is not in the tree, or more than once."""


@dataclass(frozen=True)
class Hunk:
    """One change: the text before and after, with the lines around it."""

    path: str
    before: str
    after: str

    def applied(self, text: str) -> str:
        """The file's text with the change. Raises DoesNotApply."""
        found = text.count(self.before)
        if found != 1:
            raise DoesNotApply(f"{self.path}: what it changes stands there {found} times:\n{self.before}")
        return text.replace(self.before, self.after)


@dataclass(frozen=True)
class Patch:
    """One guard taken away."""

    name: str
    guard: str
    killers: tuple[str, ...]
    hunks: tuple[Hunk, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that it changes."""
        return tuple(sorted({hunk.path for hunk in self.hunks}))

    def texts(self, root: Path = ROOT) -> dict[str, str]:
        """The changed files' new texts by path; nothing is written. Raises DoesNotApply."""
        texts = {path: (root / path).read_text(encoding="utf-8") for path in self.paths}
        for hunk in self.hunks:
            texts[hunk.path] = hunk.applied(texts[hunk.path])
        return texts


def read(path: Path) -> Patch:
    """Parse one file. Raises ValueError where a part of it is missing."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    start = next((number for number, line in enumerate(lines) if line.startswith("--- a/")), len(lines))
    head = [line.rstrip("\n").partition(": ") for line in lines[:start]]
    guards = [value for key, _, value in head if key == "Guard"]
    killers = tuple(value for key, _, value in head if key == "Killed-by")
    hunks = _hunks(lines[start:])
    if len(guards) != 1 or not killers or not hunks or not all(hunk.before != hunk.after for hunk in hunks):
        raise ValueError(f"{path.name}: one Guard, at least one Killed-by and a change are needed")
    return Patch(path.stem, guards[0], killers, tuple(hunks))


def _hunks(lines: list[str]) -> list[Hunk]:
    hunks: list[Hunk] = []
    path = ""
    for line in lines:
        if line.startswith("--- a/"):
            path = line[len("--- a/") :].strip()
        elif line.startswith("@@"):
            hunks.append(Hunk(path, "", ""))
        elif hunks and line[:1] in (" ", "-", "+") and not line.startswith("+++ b/"):
            last, text = hunks[-1], line[1:]
            before = last.before + (text if line[0] != "+" else "")
            after = last.after + (text if line[0] != "-" else "")
            hunks[-1] = Hunk(last.path, before, after)
    return hunks


def every() -> list[Patch]:
    """All patches by name."""
    return [read(path) for path in sorted(FOLDER.glob("*.patch"))]
