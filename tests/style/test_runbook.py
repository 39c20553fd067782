"""Every alarm and every reason of a halt is in the runbook, with the severity that it is told with."""

from __future__ import annotations

import re

from engine.model.codes import AlarmCode, HaltReason
from engine.notify.alarms import SEVERITIES
from tests.style.tree import ROOT

PAGE = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
HEADINGS = dict(re.findall(r"^### (\w+)\n\n\*(\w+)\.\*", PAGE, re.MULTILINE))
HALTED = "HALTED_"


def test_every_alarm_code_has_a_severity_and_a_part_in_the_runbook() -> None:
    codes = {code.name for code in AlarmCode} - {AlarmCode.NONE.name}
    assert codes <= SEVERITIES.keys()
    assert codes <= HEADINGS.keys()


def test_what_desk_finds_by_itself_is_there_too_and_nothing_else() -> None:
    assert {code: level.word for code, level in SEVERITIES.items() if not code.startswith(HALTED)} == HEADINGS


def test_every_reason_of_a_halt_has_a_row_and_those_that_do_not_end_by_themselves_a_severity() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| \S", PAGE, re.MULTILINE))
    assert rows == {reason.name for reason in HaltReason}
    told = {code.removeprefix(HALTED) for code in SEVERITIES if code.startswith(HALTED)}
    quiet = {"NONE", "STARTING", "STOPPING", "FLATTEN"}
    assert told == {reason.name for reason in HaltReason} - quiet


def test_every_part_says_where_to_look_and_what_to_do() -> None:
    for code, part in re.findall(r"^### (\w+)\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL):
        assert "- See: " in part, code
        assert "- Do: " in part, code
