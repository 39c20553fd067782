"""Is Tradewind whole where it was installed from its wheel? Run by that environment's interpreter, outside the project.

Imports every compiled module, looks for the declarations beside them, compiles a user's Cython file against them and
runs it, and asks the command for its version.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points, files, version
from pathlib import Path

import engine

USER_SOURCE = """
from engine.book.l2 cimport L2Book, l2_best
from engine.book.l3 cimport L3Book
from engine.book.matching cimport MatchingEngine
from engine.model.descriptor cimport Descriptor
from engine.runtime.counters cimport Counters
from engine.runtime.ring cimport Ring

def first_kind(Ring ring):
    cdef Descriptor* slot = ring.peek()
    return -1 if slot == NULL else slot.kind
"""


def main() -> int:
    """Exit code 0, or a line on what is missing."""
    package = Path(engine.__file__).parent
    if "site-packages" not in package.parts:
        return refuse(f"engine was imported from {package}, not from an installed wheel")
    missing = absent_files(package)
    if missing:
        return refuse(f"the wheel lacks {', '.join(missing)}")
    for module in compiled_modules(package):
        importlib.import_module(module)
    if user_extension_result() != 7:
        return refuse("a user's Cython module does not read our ring")
    if (package / "cli" / "main.py").exists():
        command = next(point for point in entry_points(group="console_scripts") if point.name == "tradewind")
        answer = subprocess.run(
            [Path(sys.executable).with_name(command.name), "--version"], capture_output=True, text=True, check=False
        )
        if answer.returncode != 0 or version("tradewind") not in answer.stdout:
            return refuse(f"`tradewind --version` answered {answer.returncode}: {answer.stdout}{answer.stderr}")
    count = len(compiled_modules(package))
    sys.stdout.write(f"tradewind {version('tradewind')}: wheel from sdist, {count} compiled modules, cimport works\n")
    return 0


def refuse(reason: str) -> int:
    """Say why, and fail."""
    sys.stderr.write(f"tradewind: {reason}\n")
    return 1


def compiled_modules(package: Path) -> list[str]:
    """Dotted names of the extension modules."""
    found = sorted(package.rglob("*.so"))
    return [".".join(("engine", *path.relative_to(package).parent.parts, path.name.split(".")[0])) for path in found]


def absent_files(package: Path) -> list[str]:
    """What must lie beside each compiled module, and is not there."""
    needed = {package / "py.typed"}
    for path in package.rglob("*.so"):
        needed |= {path.parent / "__init__.pxd", path.parent / f"{path.name.split('.')[0]}.pyi"}
    needed |= {package / "runtime" / "ring.pxd", package / "model" / "records.pxd", package / "journal" / "journal.pxd"}
    if not any(str(name).endswith("licenses/LICENSE") for name in files("tradewind") or ()):
        needed.add(Path("LICENSE"))
    return sorted(str(path) for path in needed if not path.exists())


def user_extension_result() -> int:
    """Compile the user's file against the installed declarations; the kind of the descriptor it reads."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "user_strategy.pyx").write_text(USER_SOURCE)
        compiler = [sys.executable, "-m", "Cython.Build.Cythonize", "--inplace", "--quiet", "user_strategy.pyx"]
        subprocess.run(compiler, cwd=folder, check=True, capture_output=True)
        sys.path.insert(0, folder)
        user = importlib.import_module("user_strategy")
        ring = importlib.import_module("engine.runtime.ring").Ring("user", 4)
        ring.offer(7)
        return int(user.first_kind(ring))


if __name__ == "__main__":
    sys.exit(main())
