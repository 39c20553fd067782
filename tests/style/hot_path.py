"""The hot path as the compiler sees it: what the functions of ``ext/HOT`` call, and where they touch Python.

The list has two halves: entry points (and where the hot path ends, `cold` lines with a reason) are written by hand; what they
call is written by ``python -m tests.style.hot_path``, and the tests hold it to be complete.

Judged is the C that Cython writes (of the last build where that is newer than its sources, else written anew): in it a call is
a call, however it was spelt, and every interaction with the interpreter is a ``Py...`` or ``__Pyx_...`` name.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.style.tree import ROOT

ENTRY = re.compile(r"(engine/\S+?\.p(?:yx|xd)) (?:(\w+)\.)?(\w+)")
COLD = re.compile(r"cold " + ENTRY.pattern + r": *(.*)")
# Rehearsals stand in for stages in tests; what they override is not on anybody's hot path.
NOT_HOT_SOURCES = "rehearsal.pyx"

CLASS = re.compile(r"^cdef class (\w+)(?:\(([\w.]+)\))?.*:\s*$", re.MULTILINE)
DEFINITION = re.compile(r"^([ \t]*)(?:cdef|cpdef)\s[^#\n(=]*?(\w+)\s*\(", re.MULTILINE)
# Cython's own indentation counts braces in literals too, so it says nothing about where a function ends.
FUNCTION = re.compile(r"^[ \t]*static [^\n;={]*?\b__pyx_f_(\w+)\([^\n;]*\)\s*\{$", re.MULTILINE)
BRACE_OR_LITERAL = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[{}]')
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
DIRECT_CALL = re.compile(r"\b__pyx_f_(\w+)\)?\(")
TABLE = re.compile(r"\bstruct __pyx_vtabstruct_(\w+) \*\)|\b__pyx_vtabptr_(\w+)(?=->)")
TABLE_CALL = re.compile(r"->(?:__pyx_base\.)*(\w+)\(")

# Names of the C API and of Cython's run time. Lower-case `__pyx_` names are our own functions, variables and types.
PYTHON = re.compile(r"\b(?:_?Py[A-Z_]\w*|__Pyx_\w+|__PYX_ERR|__pyx_(?:pw|builtin|mstate_global)\w*)\b")
HARMLESS = {"Py_ssize_t", "PyObject", "Py_UNUSED"}
COMPARED_WITH_NONE = re.compile(r"[!=]= Py_None\b")

CALLED = "# --- what the entry points call; written by `python -m tests.style.hot_path`"

Function = tuple[str, str]  # "engine/risk/gate", "RiskGate._check"


@dataclass(frozen=True)
class Listing:
    """``ext/HOT`` read: entry points, what they call, and the functions at which the hot path ends, each with its reason."""

    entries: set[Function]
    called: set[Function]
    cold: dict[Function, str]

    @property
    def hot(self) -> set[Function]:
        """Everything that may not touch Python."""
        return self.entries | self.called


def listing(text: str) -> Listing:
    """Read the list; lines that are of no form are left to `documents.hot_breaches`."""
    found = Listing(set(), set(), {})
    by_hand, _, generated = text.partition(CALLED)
    for half, functions in ((by_hand, found.entries), (generated, found.called)):
        for line in half.splitlines():
            entry = line.split("#")[0].strip()
            if ends := COLD.fullmatch(entry):
                found.cold[named(ends)] = ends[4]
            elif match := ENTRY.fullmatch(entry):
                functions.add(named(match))
    return found


def named(match: re.Match[str]) -> Function:
    """The function that an entry names."""
    module = match[1].rsplit(".", 1)[0]
    return module, f"{match[2]}.{match[3]}" if match[2] else match[3]


@dataclass
class Class:
    """A compiled class: where it is, what it is built on, what it defines."""

    module: str
    name: str
    base: str | None
    methods: set[str] = field(default_factory=set)


class Tree:
    """The compiled sources below a folder: modules, classes, definitions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: set[str] = set()
        self.classes: dict[str, Class] = {}
        for path in sorted(folder.rglob("*.p[yx][xd]")):
            if path.suffix in (".pyx", ".pxd") and not path.name.endswith(NOT_HOT_SOURCES):
                self._read(path)

    def _read(self, path: Path) -> None:
        module = path.relative_to(self.folder).with_suffix("").as_posix()
        if path.suffix == ".pyx":
            self.modules.add(module)
        text = path.read_text(encoding="utf-8")
        for head in CLASS.finditer(text):
            found = self.classes.setdefault(head[1], Class(module, head[1], None))
            if path.suffix == ".pyx":
                found.module = module
            found.base = head[2] or found.base
            body = text[head.end() :]
            body = body[: end.start()] if (end := re.search(r"^\S", body, re.MULTILINE)) else body
            for definition in DEFINITION.finditer(body):
                if path.suffix == ".pyx" or has_body(body, definition.end()):
                    found.methods.add(definition[2])

    def resolve(self, class_name: str, method: str) -> set[Function]:
        """Every function that a call of a class's method may reach: its own or the nearest base's, and all overrides."""
        start = self.classes.get(class_name)
        owner = start
        while owner is not None and method not in owner.methods:
            owner = self.classes.get(owner.base or "")
        found = {(owner.module, f"{owner.name}.{method}")} if owner else set()
        for other in self.classes.values():
            if start and method in other.methods and self.descends(other, class_name):
                found.add((other.module, f"{other.name}.{method}"))
        return found

    def descends(self, item: Class, ancestor: str) -> bool:
        """Is the class built on the other, however far up."""
        while item.base is not None and item.base in self.classes:
            if item.base == ancestor:
                return True
            item = self.classes[item.base]
        return False

    def unmangled(self, name: str) -> tuple[str, str]:
        """Cython's ``6engine_4risk_4gate_8RiskGate__check``: the module's path and the rest; ("", name) where it is not ours."""
        parts, rest = [], name
        while match := re.match(r"(\d+)", rest):
            size, start = int(match[1]), match.end()
            part, rest = rest[start : start + size], rest[start + size :].removeprefix("_")
            parts.append(part)
        for count in range(len(parts), 0, -1):
            if (module := "/".join(parts[:count])) in self.modules:
                return module, ".".join([*parts[count:], rest])
        return "", name


def has_body(text: str, at: int) -> bool:
    """Does the signature whose bracket opened before ``at`` end with a colon: is it a definition and no declaration."""
    depth = 1
    while depth and at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[at : text.find("\n", at)].split("#")[0].rstrip().endswith(":")


@dataclass
class Body:
    """A compiled function's C."""

    text: str

    @cached_property
    def python(self) -> list[str]:
        """What of the interpreter it uses."""
        text = COMPARED_WITH_NONE.sub("", self.text)
        return sorted(set(PYTHON.findall(text)) - HARMLESS)

    def calls(self, tree: Tree) -> set[Function]:
        """Which functions of ours it calls, each with what may stand in its place."""
        found: set[Function] = set()
        for match in DIRECT_CALL.finditer(self.text):
            module, name = tree.unmangled(match[1])
            if module:
                found.add((module, name))
        for match in TABLE.finditer(self.text):
            name = tree.unmangled(match[1] or match[2])[1]
            at = match.end() if match[2] else self.text.index("__pyx_vtab)", match.end())
            if call := TABLE_CALL.search(self.text, at):
                found |= tree.resolve(name, call[1])
        return found


class Generated:
    """The C of modules, by function; written when it is first asked for."""

    def __init__(self, tree: Tree, build: Path, scratch: Path) -> None:
        self.tree, self.build, self.scratch = tree, build, scratch
        self.modules: dict[str, dict[Function, Body]] = {}

    def load(self, modules: set[str]) -> None:
        """Read these modules' C, several at a time where it must be written."""
        missing = sorted(modules - self.modules.keys())
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for module, path in zip(missing, pool.map(self.c_file, missing), strict=True):
                self.modules[module] = bodies(path.read_text(encoding="utf-8"), self.tree)

    def c_file(self, module: str) -> Path:
        """The last build's where it is newer than the module's sources, else a new one."""
        source = (self.tree.folder / module).with_suffix(".pyx")
        sources = [path for path in (source, source.with_suffix(".pxd")) if path.exists()]
        built = (self.build / module).with_suffix(".c")
        if built.exists() and built.stat().st_mtime > max(path.stat().st_mtime for path in sources):
            return built
        target = self.scratch / f"{module.replace('/', '.')}.c"
        write_c(source, target, module.replace("/", "."), self.tree.folder)
        return target

    def body(self, function: Function) -> Body | None:
        """A function's C; an inline one's from its own module or any that was read."""
        self.load({function[0]} & self.tree.modules)
        own = self.modules.get(function[0], {}).get(function)
        return own or next((found[function] for found in self.modules.values() if function in found), None)


def bodies(text: str, tree: Tree) -> dict[Function, Body]:
    """Every compiled function of a C file."""
    text = COMMENT.sub("", text)
    return {
        tree.unmangled(match[1]): Body(text[match.end() : closed(text, match.end())])
        for match in FUNCTION.finditer(text)
    }


def closed(text: str, at: int) -> int:
    """Where the brace that opened just before ``at`` closes."""
    depth = 1
    for match in BRACE_OR_LITERAL.finditer(text, at):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    raise ValueError("a function of the generated C has no end")


def write_c(source: Path, target: Path, name: str, include: Path) -> None:
    """Have Cython write a module's C, with the directives of ``setup.py``. Raises RuntimeError with what it said."""
    switches = ("boundscheck=False", "wraparound=False", "initializedcheck=False", "cdivision=True")
    command = [sys.executable, "-m", "cython", "-3", "--module-name", name, "-I", str(include), "-o", str(target)]
    command += [word for switch in switches for word in ("-X", switch)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{source}: {done.stderr}")


def breaches(wanted: Listing, generated: Generated) -> list[str]:
    """What keeps the list from being the hot path: functions without C, calls that it leaves out, Python in what it names."""
    generated.load({module for module, _ in wanted.hot} & generated.tree.modules)
    found: list[str] = []
    reached: set[Function] = set()
    for function in sorted(wanted.hot):
        body = generated.body(function)
        if body is None:
            found.append(f"{told(function)}: no such function in the C of its module")
            continue
        calls = body.calls(generated.tree) - {function}
        reached |= calls
        left_out = sorted(calls - wanted.hot - wanted.cold.keys())
        found += [f"{told(function)} calls {told(call)}: not listed" for call in left_out]
        if body.python:
            found.append(f"{told(function)} touches Python: {', '.join(body.python)}")
    found += [f"{told(name)} is listed as called, but nothing calls it" for name in sorted(wanted.called - reached)]
    found += [f"{told(name)} is cold, but no hot function calls it" for name in sorted(wanted.cold.keys() - reached)]
    return found + [f"{told(name)} is cold without a reason" for name, why in sorted(wanted.cold.items()) if not why]


def reached_from(wanted: Listing, generated: Generated) -> set[Function]:
    """Every function that the entry points call, and what those call, up to where the hot path ends."""
    waiting, found = list(wanted.entries), set(wanted.entries)
    while waiting:
        body = generated.body(waiting.pop())
        if body is not None:
            new = body.calls(generated.tree) - found - wanted.cold.keys()
            found |= new
            waiting += new
    return found - wanted.entries


def told(function: Function) -> str:
    """As ``ext/HOT`` names it; an inline function is listed by its module's ``.pyx`` too."""
    return f"{function[0]}.pyx {function[1]}"


def of_the_project(scratch: Path) -> Generated:
    """This project's compiled sources and the C of their last build."""
    return Generated(Tree(ROOT / "ext"), ROOT / "build/cython/ext", scratch)


def main() -> None:
    """Write the second half of ``ext/HOT`` anew."""
    path = ROOT / "ext/HOT"
    text = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        wanted = listing(text)
        called = reached_from(wanted, of_the_project(Path(scratch)))
    by_hand = text.partition(CALLED)[0].rstrip()
    path.write_text("\n".join([by_hand, "", CALLED, *map(told, sorted(called)), ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
