"""A copy of the tree in which guards are taken away one at a time: changed, compiled without optimisation, tested, mended."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.patch import ROOT, Patch
from tests.style.tree import walk

COPIED = ("engine", "ext", "tests", "config", "bench", "docs")
TEST_SECONDS_MAX = 600
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


class CannotTell(Exception):
    """Whether the guard is tested was not found out: it does not compile, or no test ran."""


@dataclass(frozen=True)
class Verdict:
    """`is_killed`, and in a word by what."""

    is_killed: bool
    word: str


class Workshop:
    """One copy; what a patch changed is put back from the tree after it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        for name in COPIED:
            for path in walk(ROOT / name):
                self._put_back(path.relative_to(ROOT).as_posix())
        for path in ROOT.iterdir():
            if path.is_file() and not path.name.startswith("."):
                self._put_back(path.name)

    def _put_back(self, path: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target)

    def baseline(self, killers: list[str]) -> None:
        """All the tests pass while every guard is there. Raises CannotTell."""
        code, told = self._tested(killers, TEST_SECONDS_MAX * 3)
        if code != 0:
            raise CannotTell(f"the named tests fail without any patch:\n{told}")

    def verdict(self, patch: Patch) -> Verdict:
        """Whether the tests that the patch names notice it. Raises CannotTell or DoesNotApply."""
        texts = patch.texts()
        modules = sorted({source for path in texts for source in compiled_from(path)})
        try:
            for path, text in texts.items():
                (self.folder / path).write_text(text, encoding="utf-8")
            for source in modules:
                self._compile(source)
            code, told = self._tested(list(patch.killers), TEST_SECONDS_MAX)
        finally:
            for path in [*texts, *map(product, modules)]:
                self._put_back(path)
        if code == 0:
            return Verdict(False, "every named test passes without the guard")
        if code == 1:
            return Verdict(True, first_failure(told))
        if code < 0:
            return Verdict(True, f"the tests end by signal {-code}")
        raise CannotTell(f"pytest says {code}:\n{told}")

    def _compile(self, source: str) -> None:
        path = Path(source)
        name = ".".join(path.relative_to("ext").with_suffix("").parts)
        flags, directives = build_settings()
        made = self.folder / "build" / f"{name}.c"
        made.parent.mkdir(exist_ok=True)
        options = [part for key, value in directives.items() for part in ("-X", f"{key}={value}")]
        self._call(sys.executable, "-m", "cython", "-3", *options, "-I", "ext", "-o", str(made), source)
        compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
        # declarations name the headers beside them: each folder that has some is looked into, as cythonize does
        folders = ["ext", *sorted({str(header.parent) for header in (self.folder / "ext").rglob("*.h")})]
        include = [part for place in (*folders, sysconfig.get_path("include")) for part in ("-I", place)]
        target = self.folder / product(source)
        fresh = target.with_name(f"{target.name}.new")
        self._call(
            compiler,
            *flags,
            "-O0",
            "-g0",
            "-w",
            "-fPIC",
            "-shared",
            *include,
            str(made),
            "-o",
            str(fresh),
            "-lpthread",
            "-ldl",
        )
        fresh.replace(target)

    def _call(self, *command: str) -> None:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotTell(f"does not compile:\n{(done.stdout + done.stderr)[-2000:]}")

    def _tested(self, killers: list[str], seconds_max: int) -> tuple[int, str]:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "tests.mutants.no_shrinking",
        ]
        environment = os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        environment.setdefault("TRADEWIND_DATA", str(ROOT.parent / "shared" / "data"))
        command += ["--reruns", "0", *killers]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds_max,
            )
        except subprocess.TimeoutExpired:
            return 1, f"FAILED no end within {seconds_max} s"
        return done.returncode, (done.stdout + done.stderr)[-3000:]


def first_failure(told: str) -> str:
    """The name of the test that failed."""
    found = re.search(r"^(?:FAILED|ERROR) (\S+?)(?:\[.*)?(?: - .*)?$", told, re.MULTILINE)
    return found.group(1).rpartition("::")[2] if found else "a test failed"


def compiled_from(path: str) -> list[str]:
    """The .pyx files that a changed file is compiled into: itself, or those that name a header or declarations."""
    if path.endswith(".pyx"):
        return [path]
    if not path.endswith((".h", ".pxd")):
        return []
    names = names_of(path)
    own = {Path(path).with_suffix(".pyx")} if path.endswith(".pxd") else set()
    return sorted(
        source.relative_to(ROOT).as_posix()
        for source in (ROOT / "ext").rglob("*.pyx")
        if source.relative_to(ROOT) in own or any(name in text for text in texts_of(source) for name in names)
    )


def name_of(path: Path) -> str:
    """How other sources name a header, or declarations."""
    if path.suffix == ".h":
        return f'{path.name}"'
    return f"from {'.'.join(path.relative_to(ROOT / 'ext').with_suffix('').parts)} cimport"


def names_of(path: str) -> set[str]:
    """By what texts a module is known that a header or declarations are compiled into, by way of others too."""
    names = {name_of(ROOT / path)}
    between = [*(ROOT / "ext").rglob("*.h"), *(ROOT / "ext").rglob("*.pxd")]
    while True:
        found = {name_of(file) for file in between if any(name in file.read_text(encoding="utf-8") for name in names)}
        if found <= names:
            return names
        names |= found


def texts_of(source: Path) -> list[str]:
    """A module's text and its declarations'."""
    return [file.read_text(encoding="utf-8") for file in (source, source.with_suffix(".pxd")) if file.exists()]


def product(source: str) -> str:
    """The shared library of a .pyx file."""
    return f"{Path(source).relative_to('ext').with_suffix('').as_posix()}{SUFFIX}"


def build_settings() -> tuple[list[str], dict[str, object]]:
    """FLAGS and DIRECTIVES of setup.py, which cannot be imported without building."""
    lines = (ROOT / "setup.py").read_text(encoding="utf-8").splitlines()
    found: dict[str, object] = {}
    exec("\n".join(line for line in lines if line.startswith(("FLAGS", "DIRECTIVES"))), found)
    flags, directives = found["FLAGS"], found["DIRECTIVES"]
    assert isinstance(flags, str)
    assert isinstance(directives, dict)
    level = {"language_level": None}
    return flags.split(), {key: value for key, value in directives.items() if key not in level}
