"""Every reason has a meaning, and the page's table is the one that is written from them."""

from __future__ import annotations

import re

from engine.model.codes import Reason
from engine.model.limits import LIMITS
from engine.risk.reasons import MEANINGS
from tests.style.reasons import PAGE, renewed
from tests.style.tree import ROOT


def test_every_reason_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Reason)


def test_the_page_has_the_table_of_today() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page), "run `make docs`"


def test_what_the_gates_sources_refuse_with_is_said_to_be_the_gates() -> None:
    text = "".join((ROOT / f"ext/engine/risk/{name}.pyx").read_text(encoding="utf-8") for name in ("gate", "terms"))
    used = {Reason[name] for name in re.findall(r"\bREASON_(\w+)", text)} - {Reason.NONE, Reason.INTERNAL}
    assert {reason for reason in used if MEANINGS[reason].by != "gate"} == set()
    # states carry reasons of the risk monitor's, which the gate hands on
    handed_on = {Reason.RISK_MODE, Reason.VENUE_UNHEALTHY}
    assert {reason for reason, meaning in MEANINGS.items() if meaning.by == "gate"} - used <= handed_on


def test_the_limits_that_reasons_name_are_those_of_the_configuration_in_their_scopes() -> None:
    for reason, meaning in MEANINGS.items():
        for key in meaning.keys:
            if key in LIMITS:
                assert LIMITS[key].scopes >= set(meaning.scopes) or reason is Reason.DRAWDOWN, (reason, key)
