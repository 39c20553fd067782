"""Compile every ``ext/engine/**/*.pyx`` to the module that its path names, and lay the ``.pxd`` files beside it.

All metadata stands in ``pyproject.toml``; this file only cythonizes.
"""

from __future__ import annotations

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

SOURCE_ROOT = Path("ext")
COMPILED = [] if os.environ.get("TRADEWIND_SKIP_COMPILE") else sorted(SOURCE_ROOT.rglob("*.pyx"))
BUILD_JOBS = int(os.environ.get("TRADEWIND_BUILD_JOBS", os.cpu_count() or 1))
FLAGS = "-O3 -g1 -msse4.2 -fno-strict-aliasing -fwrapv -Wno-unused-function -Wno-sign-compare"
DIRECTIVES = dict.fromkeys(("boundscheck", "wraparound", "initializedcheck"), False)
DIRECTIVES |= {"language_level": 3, "cdivision": True, "embedsignature": True}


def extension(source: Path) -> Extension:
    """Name the module after the source's path below ``ext``: ext/engine/a/b.pyx is engine.a.b."""
    name = ".".join(source.relative_to(SOURCE_ROOT).with_suffix("").parts)
    return Extension(
        name,
        [str(source)],
        depends=["setup.py", *map(str, sorted(SOURCE_ROOT.rglob("*.h")))],
        include_dirs=[str(SOURCE_ROOT)],
        extra_compile_args=f"{FLAGS} {os.environ.get('TRADEWIND_CFLAGS', '')}".split(),
        extra_link_args=["-lpthread", "-ldl"],
    )


class BuildPy(build_py):
    """Ship declarations and C headers in the wheel, so that users cimport our types; editable, they stay in ``ext``."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for source in sorted(path for path in SOURCE_ROOT.rglob("*") if path.suffix in (".pxd", ".h")):
            target = Path(self.build_lib) / source.relative_to(SOURCE_ROOT)
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target))


setup(
    cmdclass={"build_py": BuildPy},
    options={"build_ext": {"parallel": BUILD_JOBS}},
    ext_modules=cythonize(
        [extension(path) for path in COMPILED],
        include_path=[str(SOURCE_ROOT)],
        build_dir="build/cython",
        compiler_directives=DIRECTIVES,
        annotate=bool(os.environ.get("TRADEWIND_ANNOTATE")),
        nthreads=BUILD_JOBS,
    ),
)
