"""The hot path is listed in full, and no function on it touches Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.style import hot_path
from tests.style.tree import ROOT

STAGE = """
cdef class Stage:
    cdef list seen
    cdef int count
    cdef Stage following

    cdef int poll(self) noexcept nogil:
        self.count += twice(self.count)
        return self.step() if b"{"[0] == c'{' else 0

    cdef int step(self) noexcept nogil:
        return 1

    cdef int hand_on(self) noexcept nogil:
        return self.following.step()

    cdef int remember(self) noexcept:
        self.seen.append(self.count)
        return 1

    cdef int box(self) noexcept:
        cdef object boxed = self.count
        return boxed is self.seen

    cdef int refer(self) noexcept:
        cdef Stage found = self.following
        return found.count

    cdef int take_the_lock(self) noexcept nogil:
        with gil:
            self.following = None
        return 1

    cdef int refuse(self, int value) except -1:
        if value < 0:
            raise ValueError(value)
        return value

    cdef int ask(self) except -1:
        return self.refuse(1)

    cdef int call_python(self) noexcept:
        return len(self.seen)


cdef class Quicker(Stage):
    cdef int step(self) noexcept nogil:
        return 2


cdef int twice(int number) noexcept nogil:
    return 2 * number
"""
POLL, WHAT_IT_CALLS = "Stage.poll", ("Quicker.step", "Stage.step", "twice")


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> hot_path.Generated:
    folder = tmp_path_factory.mktemp("made_up")
    (folder / "ext/engine").mkdir(parents=True)
    (folder / "ext/engine/__init__.pxd").touch()
    (folder / "ext/engine/stage.pyx").write_text(STAGE)
    return hot_path.Generated(hot_path.Tree(folder / "ext"), folder / "build", folder)


def listed(*entries: str, called: tuple[str, ...] = (), cold: tuple[str, ...] = ()) -> hot_path.Listing:
    lines = [f"engine/stage.pyx {name}" for name in entries] + [f"cold engine/stage.pyx {line}" for line in cold]
    return hot_path.listing("\n".join([*lines, hot_path.CALLED, *(f"engine/stage.pyx {name}" for name in called)]))


def test_the_hot_path_is_listed_in_full_and_touches_no_python(tmp_path: Path) -> None:
    wanted = hot_path.listing((ROOT / "ext/HOT").read_text(encoding="utf-8"))
    assert len(wanted.entries) > 20
    assert hot_path.breaches(wanted, hot_path.of_the_project(tmp_path)) == []


def test_every_stage_is_on_the_list() -> None:
    tree = hot_path.Tree(ROOT / "ext")
    stages = {name: item for name, item in tree.classes.items() if tree.descends(item, "Actor")}
    polls = {(item.module, f"{name}.do_work") for name, item in stages.items() if "do_work" in item.methods}
    wanted = hot_path.listing((ROOT / "ext/HOT").read_text(encoding="utf-8"))
    # their polls run what is Python by its nature: authors' strategies, instructions, cold requests; or trade nowhere
    others = {"StrategyRunner", "ExecutionStage", "GatewayActor", "ReplayGateway"}
    assert {name for _, name in polls - wanted.entries} == {f"{name}.do_work" for name in others}


def test_what_has_no_poll_of_its_own_is_a_part_of_a_stage_that_has_one() -> None:
    tree = hot_path.Tree(ROOT / "ext")
    stages = {name: item for name, item in tree.classes.items() if tree.descends(item, "Actor")}
    polled = [item for item in stages.values() if "do_work" in item.methods]
    unpolled = {name for name, item in stages.items() if "do_work" not in item.methods}
    assert {name for name in unpolled if not any(tree.descends(item, name) for item in polled)} == set()


def test_a_list_in_full_has_no_breaches(made_up: hot_path.Generated) -> None:
    assert hot_path.breaches(listed(POLL, called=WHAT_IT_CALLS), made_up) == []


@pytest.mark.parametrize("left_out", WHAT_IT_CALLS)
def test_a_call_that_is_left_out_is_found(made_up: hot_path.Generated, left_out: str) -> None:
    found = hot_path.breaches(listed(POLL, called=tuple(name for name in WHAT_IT_CALLS if name != left_out)), made_up)
    assert found == [f"engine/stage.pyx Stage.poll calls engine/stage.pyx {left_out}: not listed"]


def test_a_call_of_another_objects_method_is_a_call_of_all_that_override_it(made_up: hot_path.Generated) -> None:
    assert hot_path.reached_from(listed("Stage.hand_on"), made_up) == {
        ("engine/stage", "Stage.step"),
        ("engine/stage", "Quicker.step"),
    }


@pytest.mark.parametrize(
    ("function", "what"),
    [
        ("Stage.remember", "__Pyx_PyList_Append"),
        ("Stage.box", "__Pyx_PyLong_From_int"),
        ("Stage.refer", "__Pyx_INCREF"),
        ("Stage.take_the_lock", "__Pyx_PyGILState_Ensure"),
        ("Stage.refuse", "__Pyx_Raise"),
        ("Stage.ask", "__Pyx_AddTraceback"),
        ("Stage.call_python", "PyErr_SetString"),
    ],
)
def test_python_in_a_hot_function_is_found(made_up: hot_path.Generated, function: str, what: str) -> None:
    found = hot_path.breaches(listed(function, "Stage.refuse"), made_up)
    (breach,) = [line for line in found if line.startswith(f"engine/stage.pyx {function} ")]
    assert "touches Python" in breach
    assert what in breach.replace(",", "").split()


def test_python_put_behind_a_hot_function_is_found(made_up: hot_path.Generated, tmp_path: Path) -> None:
    (tmp_path / "ext/engine").mkdir(parents=True)
    spoilt = STAGE.replace("return 2 * number", "with gil:\n        print(number)\n    return 2 * number")
    (tmp_path / "ext/engine/stage.pyx").write_text(spoilt)
    generated = hot_path.Generated(hot_path.Tree(tmp_path / "ext"), tmp_path / "build", tmp_path)
    wanted = listed(POLL, called=WHAT_IT_CALLS)
    assert hot_path.breaches(wanted, made_up) == []
    (breach,) = hot_path.breaches(wanted, generated)
    assert breach.startswith("engine/stage.pyx twice touches Python: ")


def test_a_cold_function_ends_the_path_and_says_why(made_up: hot_path.Generated) -> None:
    ends = listed(POLL, called=("Stage.step", "Quicker.step"), cold=("twice: once a day",))
    assert hot_path.breaches(ends, made_up) == []
    mute = listed(POLL, called=("Stage.step", "Quicker.step"), cold=("twice:",))
    assert hot_path.breaches(mute, made_up) == ["engine/stage.pyx twice is cold without a reason"]


def test_what_nobody_calls_any_more_is_found(made_up: hot_path.Generated) -> None:
    stale = listed(POLL, called=(*WHAT_IT_CALLS, "Stage.hand_on"), cold=("Stage.box: never",))
    assert hot_path.breaches(stale, made_up) == [
        "engine/stage.pyx Stage.hand_on is listed as called, but nothing calls it",
        "engine/stage.pyx Stage.box is cold, but no hot function calls it",
    ]


def test_a_function_that_is_not_there_is_found(made_up: hot_path.Generated) -> None:
    assert hot_path.breaches(listed("Stage.gone"), made_up) == [
        "engine/stage.pyx Stage.gone: no such function in the C of its module"
    ]


def test_the_c_of_an_older_build_is_written_anew(made_up: hot_path.Generated, tmp_path: Path) -> None:
    built = made_up.build / "engine/stage.c"
    built.parent.mkdir(parents=True, exist_ok=True)
    built.write_text("an older build's")
    source = made_up.tree.folder / "engine/stage.pyx"
    fresh = hot_path.Generated(made_up.tree, made_up.build, tmp_path)
    assert fresh.c_file("engine/stage") == built
    source.touch()
    assert fresh.c_file("engine/stage") == tmp_path / "engine.stage.c"
