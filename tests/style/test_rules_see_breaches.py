"""Each style rule finds what it is for, and leaves alone what is right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.style import documents, layers, rules
from tests.style.tree import Source, sources

Rule = Callable[[Source], list[str]]

LONG = "def f():\n" + "    x = 1\n" * 70
LAYERS: layers.Rows = [({"app"}, False), ({"feed", "book"}, True), ({"journal"}, False), ({"model"}, False)]

BAD: list[tuple[Rule, str, str]] = [
    (rules.long_file, "engine/a.py", "x = 1\n" * 501),
    (rules.long_file, "ext/engine/a.pyx", "x = 1\n" * 901),
    (rules.long_function, "engine/a.py", LONG),
    (rules.long_function, "ext/engine/a.pyx", LONG.replace("def f", "    cdef int f").replace("\n    ", "\n        ")),
    (rules.unfinished, "engine/a.py", "# TO" + "DO: later"),
    (rules.unfinished, "engine/a.py", "raise NotImplemented" + "Error"),
    (rules.unfinished, "docs/a.md", "a place" + "holder"),
    (rules.machine_path, "engine/a.py", 'PATH = "/ro' + 'ot/data"'),
    (rules.machine_path, "Makefile", "cp x /tm" + "p/scratch"),
    (rules.registry_address, "requirements.lock", "--index" + "-url x"),
    (rules.clock_or_chance, "engine/feed/a.py", "import time\nnow = time.time_ns()"),
    (rules.clock_or_chance, "engine/feed/a.py", "from time import time"),
    (rules.clock_or_chance, "engine/feed/a.py", "import random\nrandom.random()"),
    (rules.clock_or_chance, "engine/feed/a.py", "import random\nrng = random.Random()"),
    (rules.clock_or_chance, "engine/feed/a.py", "from random import randint"),
    (rules.clock_or_chance, "engine/feed/a.py", "import secrets"),
    (rules.clock_or_chance, "engine/feed/a.py", "from datetime import datetime\ndatetime.now()"),
    (rules.clock_or_chance, "engine/feed/a.py", "import os\nos.urandom(4)"),
    (rules.clock_or_chance, "ext/engine/feed/a.pyx", "clock_gettime(CLOCK_REALTIME, &now)"),
    (rules.clock_or_chance, "ext/engine/feed/a.pyx", "now = time(NULL)"),
    (rules.clock_or_chance, "ext/engine/feed/a.pyx", "import random"),
    (rules.prints, "engine/feed/a.py", 'print("x")'),
    (rules.prints, "ext/engine/feed/a.pyx", '    printf("x")'),
    (rules.asserts_nothing, "tests/unit/test_a.py", "def test_a() -> None:\n    f()"),
    (layers.dependent_twin, "tests/reference/a.py", "from engine.model.codes import Side"),
    (layers.dependent_twin, "tests/reference/a.py", "def f():\n    import engine.model.codes as codes"),
    (layers.dependent_twin, "tests/reference/a.py", "from tests.recorded import data_root"),
]
GOOD: list[tuple[Rule, str, str]] = [
    (rules.long_file, "ext/engine/a.pyx", "x = 1\n" * 900),
    (rules.long_function, "engine/a.py", LONG.removesuffix("    x = 1\n")),
    (rules.long_function, "ext/engine/a.pyx", "def f():\n    x = 1\n\n\n" + "y = 2\n" * 80),
    (rules.long_function, "ext/engine/a.pyx", "cdef class A(B):\n" + "    cdef int x\n" * 80),
    (rules.unfinished, "tests/style/test_a.py", "every module has a stub in a .pyi file"),
    (rules.unfinished, "Makefile", "mypy --ignore-missing-stub"),
    (rules.clock_or_chance, "ext/engine/runtime/a.pyx", "from posix.time cimport itimerspec, timespec"),
    (rules.machine_path, "docs/a.md", "reads /proc/self/status and config/work/a"),
    (rules.clock_or_chance, "engine/feed/a.py", "now = clock.time_ns()\nmonotonic = time.monotonic()"),
    (rules.clock_or_chance, "engine/feed/a.py", "import random\nrng: random.Random = random.Random(seed)"),
    (rules.clock_or_chance, "ext/engine/feed/a.pyx", "x = y  # never rand() here"),
    (rules.prints, "engine/feed/a.py", "console.print(1)"),
    (layers.dependent_twin, "tests/reference/a.py", "import json\nfrom tests.reference.book import SlowBook"),
    (rules.prints, "ext/engine/feed/a.pyx", "    snprintf(out, 4, x)"),
    (
        rules.asserts_nothing,
        "tests/unit/test_a.py",
        "def test_a() -> None:\n    with pytest.raises(ValueError):\n        f()",
    ),
    (rules.asserts_nothing, "tests/unit/test_a.py", "def test_a() -> None:\n    assert f()"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_a_breach_is_found(rule: Rule, path: str, text: str) -> None:
    assert rule(Source(path, text))


@pytest.mark.parametrize(("rule", "path", "text"), GOOD)
def test_what_is_right_is_left_alone(rule: Rule, path: str, text: str) -> None:
    assert rule(Source(path, text)) == []


def test_a_long_function_is_named_with_its_length() -> None:
    assert rules.long_function(Source("engine/a.py", LONG)) == ["engine/a.py:1: f has 71 lines, at most 70"]


def test_a_function_whose_head_runs_over_lines_is_measured_whole() -> None:
    text = "cdef int f(int a,\n           int b) except -1:\n    return 0\n\ncdef int g\nx = 1\n"
    assert rules.compiled_functions(Source("ext/engine/a.pyx", text)) == [("f", 1, 3)]


@pytest.mark.parametrize(
    "path", ["engine/utils.py", "engine/common/a.py", "ext/engine/feed/helpers.pyx", "tests/unit/misc.py"]
)
def test_a_vague_name_is_found(path: str) -> None:
    assert rules.vague_name(path)


def test_a_telling_name_is_left_alone() -> None:
    assert rules.vague_name("engine/feed/synchroniser.py") == []


@pytest.mark.parametrize(
    "line",
    [
        "from engine.book.ladder cimport Ladder",
        "from engine.app import wire",
        "from engine import app",
        "cimport engine.book.ladder",
        "    from engine.book import views",
    ],
)
def test_a_stage_that_knows_another_is_found(line: str) -> None:
    assert layers.upward_imports(Source("ext/engine/feed/a.pyx", line), LAYERS)


@pytest.mark.parametrize(
    "line",
    [
        "from engine.feed.b cimport B",
        "from engine.journal.journal cimport Journal",
        "from engine import model",
        "cimport cython",
    ],
)
def test_a_stage_that_stands_on_the_ground_floor_is_left_alone(line: str) -> None:
    assert layers.upward_imports(Source("ext/engine/feed/a.pyx", line), LAYERS) == []


def test_the_lowest_floor_knows_nobody() -> None:
    assert layers.upward_imports(Source("ext/engine/model/a.pxd", "from engine.journal.x cimport Y"), LAYERS)


def test_the_walk_passes_over_what_builds_leave(tmp_path: Path) -> None:
    for name in ("engine/a.py", ".venv/b.py", "build/c.py", "__pycache__/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    assert [source.path for source in sources(".py", root=tmp_path)] == ["engine/a.py"]


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text(
        "# One Two\n[x](gone.md) [y](a.md#one-two) [z](a.md#three) [w](https://example.org/q)\n"
    )
    page = sources(".md", root=tmp_path)[0]
    assert documents.broken_links(page, tmp_path) == [
        "docs/a.md:2: link to nothing: 'gone.md'",
        "docs/a.md:2: link to nothing: 'a.md#three'",
    ]


def test_a_hot_entry_that_is_not_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "ext/engine").mkdir(parents=True)
    (tmp_path / "ext/engine/a.pyx").write_text(
        "cdef class A:\n    cdef int f(self) noexcept nogil:\n        return 0\n"
    )
    (tmp_path / "ext/HOT").write_text("# why\nengine/a.pyx A.f\nengine/a.pyx A.g\nengine/b.pyx f\nnonsense\n")
    assert documents.hot_breaches(tmp_path) == [
        "ext/HOT:3: engine/a.pyx has no A.g",
        "ext/HOT:4: no file ext/engine/b.pyx",
        "ext/HOT:5: not of the form `engine/<stage>/<file>.pyx [Class.]function`",
    ]
