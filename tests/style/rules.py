"""The rules of the house as functions: a source in, its breaches out as ``path:line: what`` lines."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath

from tests.style.tree import Source

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
COMPILED_FILE_LINES_MAX = 900
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "misc", "common"}

# Spelt in pieces, so that this file does not break its own rule.
UNFINISHED = re.compile(
    r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK", "NotImplemented" + "Error")) + r")\b"
    r"|(?i:\bnot " + r"implemented\b|\bin " + r"production\b|\bplace" + r"holders?\b|\bmock " + r"data\b"
    r"|would be (?:done|" + r"implemented) in|(?<!-)\bst" + r"ubs?\b(?!.*pyi))"
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:root|farm|work|home/\w+|Users/\w+)/|(?<![\w.])/tmp/[a-z]")
ADDRESSES_OF_REGISTRIES = re.compile(
    r"(?:py" + r"pi\.org|/sim" + r"ple/|index-" + r"url|trusted-" + r"host|find-" + r"links)", re.IGNORECASE
)

WALL_CLOCKS = {"time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "time.strftime"}
WALL_CLOCKS |= {f"{kind}.{call}" for kind in ("datetime", "datetime.datetime") for call in ("now", "utcnow", "today")}
WALL_CLOCKS |= {"date.today", "datetime.date.today"}
CHANCE = {"random", "secrets", "uuid.uuid1", "uuid.uuid4", "os.urandom", "numpy.random", "np.random"}
COMPILED_CLOCKS = re.compile(
    r"\b(?:clock_gettime|gettimeofday|timespec_get|rdtscp?|__rdtsc|getrandom|arc4random|drand48|l?rand48|srand|rand)\s*\("
    r"|\btime\s*\(\s*(?:NULL|&)|\bc?import\s+(?:random|secrets|time)\b|\bfrom\s+(?:random|secrets|time)\s+c?import\b"
)
COMPILED_PRINT = re.compile(r"(?<![\w.])(?:print|printf)\s*\(")


def breach(source: Source, line: int, what: str) -> str:
    """How every rule names what it found."""
    return f"{source.path}:{line}: {what}"


def long_file(source: Source) -> list[str]:
    """A file has one subject. A file of nothing but enumerations is a table, as long as what it lists."""
    if source.path.endswith("model/codes.py"):
        return []
    most = COMPILED_FILE_LINES_MAX if source.suffix == ".pyx" else FILE_LINES_MAX
    count = len(source.lines)
    return [breach(source, count, f"{count} lines, at most {most}")] if count > most else []


def long_function(source: Source) -> list[str]:
    """A function does one thing."""
    spans = python_functions(source) if source.suffix == ".py" else compiled_functions(source)
    return [
        breach(source, first, f"{name} has {last - first + 1} lines, at most {FUNCTION_LINES_MAX}")
        for name, first, last in spans
        if last - first + 1 > FUNCTION_LINES_MAX
    ]


def python_functions(source: Source) -> list[tuple[str, int, int]]:
    """Name, first and last line of every function of a Python file."""
    return [
        (node.name, node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(source.syntax)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def compiled_functions(source: Source) -> list[tuple[str, int, int]]:
    """Name, first and last line of every function of a Cython file, by indentation."""
    head = re.compile(r"^(\s*)(?:async\s+def|def|cpdef|cdef(?!\s+(?:public\s+)?(?:class|extern)\b))\b[^=]*?(\w+)\s*\(")
    found: list[tuple[str, int, int]] = []
    lines = source.lines
    for number, line in enumerate(lines):
        match = head.match(line)
        if match is None:
            continue
        indent = len(match.group(1))
        last = end_of_block(lines, number, indent)
        if last > number:
            found.append((match.group(2), number + 1, last + 1))
    return found


def end_of_block(lines: list[str], start: int, indent: int) -> int:
    """Index of the last line that belongs to the block opened at ``start``; a head may run over several lines."""
    body = start
    while body < len(lines) and not lines[body].split("#")[0].rstrip().endswith(":"):
        if body > start and lines[body].strip() and len(lines[body]) - len(lines[body].lstrip()) <= indent:
            return start
        body += 1
    last = body
    for number in range(body + 1, len(lines)):
        text = lines[number]
        if text.strip() and len(text) - len(text.lstrip()) <= indent:
            break
        if text.strip():
            last = number
    return min(last, len(lines) - 1)


def vague_name(path: str) -> list[str]:
    """A name says what is inside."""
    parts = {part.split(".")[0] for part in PurePosixPath(path).parts}
    return [f"{path}: {name!r} says nothing about what is inside" for name in sorted(parts & FORBIDDEN_NAMES)]


def matching_lines(source: Source, pattern: re.Pattern[str], what: str) -> list[str]:
    """A breach for every line that the pattern is found in."""
    found = []
    for number, line in enumerate(source.lines, 1):
        match = pattern.search(line)
        if match:
            found.append(breach(source, number, f"{what}: {match.group().strip()!r}"))
    return found


def unfinished(source: Source) -> list[str]:
    """Nothing in the tree is left for later."""
    return matching_lines(source, UNFINISHED, "unfinished")


def machine_path(source: Source) -> list[str]:
    """Nothing in the tree knows a machine."""
    return matching_lines(source, MACHINE_PATHS, "a path of one machine")


def registry_address(source: Source) -> list[str]:
    """Where packages come from is the installing machine's affair."""
    return matching_lines(source, ADDRESSES_OF_REGISTRIES, "an address of a package registry")


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of an attribute chain; nothing of any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        front = dotted(node.value)
        return f"{front}.{node.attr}" if front else ""
    return ""


def clock_or_chance(source: Source) -> list[str]:
    """Time and chance come from the World."""
    if source.suffix in (".pyx", ".pxd"):
        return matching_lines(without_comments(source), COMPILED_CLOCKS, "a clock or chance outside the World")
    found = []
    for node in ast.walk(source.syntax):
        name = ""
        if isinstance(node, ast.Attribute):
            name = dotted(node)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            name = next((f"{node.module}.{a.name}" for a in node.names if is_clock(f"{node.module}.{a.name}")), "")
        elif isinstance(node, ast.Import):
            name = next((alias.name for alias in node.names if alias.name in CHANCE - {"random"}), "")
        elif isinstance(node, ast.Call) and dotted(node.func).endswith("Random") and not node.args:
            name = "random.seed"
        if name and is_clock(name):
            found.append(breach(source, getattr(node, "lineno", 0), f"a clock or chance outside the World: {name}"))
    return found


def is_clock(name: str) -> bool:
    """Does the dotted name read the wall clock or draw at random. A generator that was given its seed does neither."""
    if name == "random.Random":
        return False
    return name in WALL_CLOCKS or any(name == root or name.startswith(root + ".") for root in CHANCE)


def without_comments(source: Source) -> Source:
    """The same lines with comments cut off."""
    return Source(source.path, "\n".join(line.split("#")[0] for line in source.lines))


def prints(source: Source) -> list[str]:
    """Only the command line prints."""
    if source.suffix in (".pyx", ".pxd"):
        return matching_lines(without_comments(source), COMPILED_PRINT, "prints outside engine/cli")
    return [
        breach(source, node.lineno, "prints outside engine/cli")
        for node in ast.walk(source.syntax)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


ASSERTING = re.compile(
    r"^(?:_?(?:assert|check|expect|verify|must|refuses|holds|same)|raises|warns|fail|run_state_machine)"
)


def asserts_nothing(source: Source) -> list[str]:
    """Every test can fail."""
    return [
        breach(source, node.lineno, f"{node.name} asserts nothing")
        for node in ast.walk(source.syntax)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not any(is_assertion(inner) for inner in ast.walk(node))
    ]


def is_assertion(node: ast.AST) -> bool:
    """An assert, or a call whose name says that it checks."""
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return bool(ASSERTING.match(name))
