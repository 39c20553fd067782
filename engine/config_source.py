"""Where in a TOML file each key stands, so that a refusal can name its line.

``tomllib`` forgets positions. This scanner follows the grammar of statements (headers, dotted and quoted keys,
values of any length) as far as the file is well formed and leaves judging the rest to ``tomllib``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Path = tuple[str, ...]
_BARE = re.compile(r"[A-Za-z0-9_-]*")
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACES = re.compile(r"[ \t]*")
# of a value: all that neither opens nor ends anything
_PLAIN = re.compile(r"[^\"'#{}\[\]\n]*")
_QUOTES = ('"""', "'''", '"', "'")


@dataclass
class SourceMap:
    """Line (from 1) of every table header and key; ``duplicates`` holds (path, line, line of the first)."""

    lines: dict[Path, int] = field(default_factory=dict)
    duplicates: list[tuple[Path, int, int]] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """The line of ``path``, or of the nearest table around it; 1 where there is none."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.table: Path = ()
        self.map = SourceMap()
        self._headers: dict[Path, int] = {}
        self._keys: dict[Path, int] = {}
        self._elements = 0

    def line(self) -> int:
        return self.text.count("\n", 0, self.position) + 1

    def peek(self) -> str:
        return self.text[self.position] if self.position < len(self.text) else ""

    def scan(self) -> SourceMap:
        while True:
            self._skip_blank()
            if not self.peek() or not self._statement():
                return self.map

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Behind what matches here, which may be nothing; what it was."""
        found = pattern.match(self.text, self.position)
        assert found is not None
        self.position = found.end()
        return found[0]

    def _skip_blank(self) -> None:
        self._skip(_BLANK)

    def _skip_comment(self) -> None:
        end = self.text.find("\n", self.position)
        self.position = len(self.text) if end < 0 else end

    def _statement(self) -> bool:
        """One header or key = value; False where the text is not TOML any more."""
        return self._header() if self.peek() == "[" else self._assignment()

    def _header(self) -> bool:
        line = self.line()
        is_array = self.text.startswith("[[", self.position)
        self.position += 2 if is_array else 1
        path = self._key_path()
        if path is None or self.peek() != "]":
            return False
        self.position += 2 if is_array else 1
        self.table = path
        if is_array:
            self._elements += 1
            self.table = (*path, f"#{self._elements}")
        else:
            self._note(self._headers, path, line)
        self.map.lines.setdefault(path, line)
        return True

    def _assignment(self) -> bool:
        line = self.line()
        key = self._key_path()
        if key is None or self.peek() != "=":
            return False
        self.position += 1
        path = self.table + key
        self._note(self._keys, path, line)
        self.map.lines.setdefault(path, line)
        return self._skip_value(path)

    def _note(self, seen: dict[Path, int], path: Path, line: int) -> None:
        if path in seen:
            self.map.duplicates.append((path, line, seen[path]))
        else:
            seen[path] = line

    def _key_path(self) -> Path | None:
        parts: list[str] = []
        while True:
            self._skip_spaces()
            part = self._key_part()
            if part is None:
                return None
            parts.append(part)
            self._skip_spaces()
            if self.peek() != ".":
                return tuple(parts)
            self.position += 1

    def _skip_spaces(self) -> None:
        self._skip(_SPACES)

    def _key_part(self) -> str | None:
        if self.peek() in ('"', "'"):
            start = self.position + 1
            return self.text[start : self.position - 1] if self._skip_string() else None
        return self._skip(_BARE) or None

    def _skip_string(self) -> bool:
        quote = next(mark for mark in _QUOTES if self.text.startswith(mark, self.position))
        self.position += len(quote)
        while self.position < len(self.text):
            if self.text.startswith(quote, self.position):
                self.position += len(quote)
                return True
            self.position += 2 if quote[0] == '"' and self.peek() == "\\" else 1
        return False

    def _skip_value(self, path: Path) -> bool:
        """To the end of the statement: the first line end outside strings and brackets."""
        depth = 0
        while self.peek():
            char = self.peek()
            if char in "\"'":
                if not self._skip_string():
                    return False
                continue
            if char == "#":
                self._skip_comment()
                continue
            if char == "{" and depth == 0:
                return self._inline_table(path)
            depth += (char in "[{") - (char in "]}")
            if char == "\n" and depth <= 0:
                return True
            self.position += 1
            self._skip(_PLAIN)
        return True

    def _inline_table(self, path: Path) -> bool:
        """The keys of an inline table stand on its line; a key given twice is noted."""
        self.position += 1
        while True:
            self._skip_blank()
            if self.peek() == "}":
                self.position += 1
                return True
            line, key = self.line(), self._key_path()
            if key is None or self.peek() != "=":
                return False
            self.position += 1
            self._note(self._keys, path + key, line)
            self.map.lines.setdefault(path + key, line)
            if not self._inline_value(path + key):
                return False

    def _inline_value(self, path: Path) -> bool:
        depth = 0
        while self.peek():
            char = self.peek()
            if char in "\"'":
                if not self._skip_string():
                    return False
                continue
            if char == "{" and depth == 0:
                if not self._inline_table(path):
                    return False
                continue
            if depth == 0 and char in ",}":
                self.position += char == ","
                return True
            depth += (char in "[{") - (char in "]}")
            self.position += 1
        return False


def scan(text: str) -> SourceMap:
    """Find the line of every key and table header of a TOML text."""
    return _Scanner(text).scan()
