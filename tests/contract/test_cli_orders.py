"""Orders of every type from the command line: what reaches the engine, and what the operator is told."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from engine.cli import ctl_examples
from engine.cli.ctl_orders import EXAMPLES
from engine.cli.main import build_parser
from engine.control.server import ControlServer
from engine.exit_codes import ExitCode
from engine.model.algo_terms import AlgoTerms, Pov, Twap, Vwap
from engine.model.codes import (
    CommandKind,
    Contingency,
    InstructionKind,
    OrderState,
    OrderType,
    ParentState,
    RecordKind,
    TrailKind,
)
from engine.model.instructions import Algo, Bracket, Change, Held, OrderList, Protection, decode
from engine.model.volume_profile import VolumeProfile
from tests.contract.test_cli import ROOT, Shell
from tests.control_harness import FakeEngine, serving
from tests.ledger_harness import Ledger, body

MINUTE_NS = 60 * 10**9


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("TRADEWIND_CONFIG", raising=False)
    monkeypatch.setattr("engine.cli.ctl_orders.VERDICT_WAIT_S", 0.05)
    return Shell(tmp_path, capsys)


@pytest.fixture
def engine(shell: Shell) -> Iterator[FakeEngine]:
    fake = FakeEngine()
    with serving(ControlServer(shell.root / "control.sock", fake.control)):
        yield fake


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    yield made
    made.journal.close(reason="test")


def order(shell: Shell, engine: FakeEngine, line: str) -> object:
    """What reached the engine: the instruction, or the type of the plain order."""
    told = shell.ctl("order", *shlex.split(line))
    assert told.code == ExitCode.OK, told.err
    command = engine.submitted[-1]
    return decode(command.detail) if command.kind == CommandKind.INSTRUCT else OrderType(command.order_type)


def test_every_example_of_the_help_is_understood(shell: Shell, engine: FakeEngine, ledger: Ledger) -> None:
    lines = [line.split("ctl order ")[1] for line in EXAMPLES.splitlines() if "ctl order " in line]
    assert len(lines) > 12
    for line in lines:
        engine.tables.set_hedge(1, "--position-side" in line)
        order(shell, engine, line)


@pytest.mark.parametrize("name", sorted(ctl_examples.EXAMPLES))
def test_every_example_of_the_other_commands_is_a_command_line(name: str) -> None:
    lines = [line.strip() for line in ctl_examples.EXAMPLES[name].splitlines() if line.startswith("    tradewind ctl ")]
    assert lines
    for line in lines:
        parser, _ = build_parser("ctl")
        assert parser.parse_args(shlex.split(line)[1:]).verb == "ctl"


def blocks(page: str, language: str) -> list[str]:
    """The fenced examples of a page."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/execution.md"])
def test_every_order_that_a_page_teaches_is_understood(
    shell: Shell, engine: FakeEngine, ledger: Ledger, tmp_path: Path, page: str
) -> None:
    profile = VolumeProfile(symbol="BTCUSDT", bin_ns=3_600 * 10**9, days=1, bins_e8=tuple(range(24)))
    (tmp_path / "btc.json").write_bytes(msgspec.json.encode(profile))
    text = "\n".join(blocks(page, "console") + blocks(page, "sh") + blocks(page, "bash"))
    for line in re.findall(r"tradewind ctl (?:order|protect) [^\n#]*", text):
        words = shlex.split(line.replace("btc.json", str(tmp_path / "btc.json")))[2:]
        assert shell.ctl(*words).code == ExitCode.OK, line


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("buy BTCUSDT 0.5", OrderType.MARKET),
        ("buy BTCUSDT 0.5 --price 30000 --tif ioc", OrderType.LIMIT),
    ],
)
def test_plain_orders_stay_plain(shell: Shell, engine: FakeEngine, ledger: Ledger, line: str, kind: OrderType) -> None:
    assert order(shell, engine, line) is kind


def test_conditional_orders_lists_brackets_and_protections(shell: Shell, engine: FakeEngine, ledger: Ledger) -> None:
    held = order(shell, engine, "sell BTCUSDT 0.5 --type trail --trail 12.5 --trigger-by mark")
    assert isinstance(held, Held)
    assert (held.order.order_type, held.order.trail_amount) == (OrderType.TRAILING_STOP, 1_250)
    oco = order(shell, engine, "sell BTCUSDT 0.5 --price 31000 --oco stop-limit:29000:28990")
    assert isinstance(oco, OrderList)
    assert [terms.price_ticks for terms in oco.orders] == [3_100_000, 2_899_000]
    otoco = order(shell, engine, "buy BTCUSDT 0.5 --price 30000 --then-one limit:31000 --then-one trailing-stop:50bps")
    assert isinstance(otoco, OrderList)
    assert otoco.contingency == Contingency.OTOCO
    assert (otoco.orders[2].trail_kind, otoco.orders[2].trail_amount) == (TrailKind.BPS, 50)
    bracket = order(shell, engine, "buy BTCUSDT 0.5 --price 30000 --stop-loss 29500 --take-profit 2%")
    assert isinstance(bracket, Bracket)
    assert shell.ctl("protect", "BTCUSDT", "--stop-loss", "trail:1%", "--break-even", "0.5%").code == ExitCode.OK
    assert isinstance(decode(engine.submitted[-1].detail), Protection)


def test_algorithms_have_their_words_and_vwap_its_file(
    shell: Shell, engine: FakeEngine, ledger: Ledger, tmp_path: Path
) -> None:
    found = order(shell, engine, "buy BTCUSDT 1 --algo twap --duration 10m --price 30500 --style join")
    assert isinstance(found, Algo)
    terms = msgspec.convert(found.terms, AlgoTerms)
    assert terms == Twap(duration_ns=10 * MINUTE_NS, limit_ticks=3_050_000, style="join")
    found = order(shell, engine, "buy BTCUSDT 1 --algo pov --participation 10%")
    assert isinstance(found, Algo)
    assert msgspec.convert(found.terms, AlgoTerms) == Pov(participation_bps=1_000)
    # every minute of the day: longer than a message, so that it is made coarser
    bins = tuple(10**14 + number for number in range(1_440))
    profile = VolumeProfile(symbol="BTCUSDT", bin_ns=MINUTE_NS, days=3, bins_e8=bins)
    (tmp_path / "profile.json").write_bytes(msgspec.json.encode(profile))
    found = order(shell, engine, f"buy BTCUSDT 1 --algo vwap --duration 2h --profile {tmp_path}/profile.json")
    assert isinstance(found, Algo)
    weights = msgspec.convert(found.terms, AlgoTerms)
    assert isinstance(weights, Vwap)
    assert max(weights.weights) - min(weights.weights) < 10**6


@pytest.mark.parametrize(
    "line",
    [
        "buy BTCUSDT 1 --duration 10m",
        "buy BTCUSDT 1 --price 1 --oco stop:2 --then limit:3",
        "buy BTCUSDT 1 --price 1 --oco nonsense",
        "buy BTCUSDT 1 --price 1 --oco stop",
        "buy BTCUSDT 1 --algo magic",
    ],
)
def test_what_is_no_order_is_a_wrong_command_line(shell: Shell, engine: FakeEngine, line: str) -> None:
    assert shell.ctl("order", *shlex.split(line)).code == ExitCode.USAGE
    assert not engine.submitted


def test_a_profile_that_is_not_there_and_one_that_is_none(shell: Shell, engine: FakeEngine, tmp_path: Path) -> None:
    words = ("order", "buy", "BTCUSDT", "1", "--algo", "vwap", "--duration", "1h", "--profile")
    assert shell.ctl(*words, str(tmp_path / "none.json")).code == ExitCode.NO_INPUT
    (tmp_path / "none.json").write_text('{"symbol":"X"}')
    assert "is no volume profile" in shell.ctl(*words, str(tmp_path / "none.json")).err


def test_amend_pause_and_cancel_of_one_order(shell: Shell, engine: FakeEngine) -> None:
    handle = str((4 << 32) + 9)
    assert shell.ctl("amend", handle, "BTCUSDT", "--price", "30001", "--qty", "0.4").code == ExitCode.OK
    assert (engine.submitted[-1].kind, engine.submitted[-1].qty_lots) == (CommandKind.AMEND, 40_000)
    assert shell.ctl("pause", "--order", handle).code == ExitCode.OK
    assert decode(engine.submitted[-1].detail) == Change(handle=int(handle), action="pause")
    assert shell.ctl("cancel", "--order", handle).code == ExitCode.OK
    assert engine.submitted[-1].order_handle == int(handle)


@pytest.mark.parametrize(
    ("kind", "payload", "code", "told"),
    [
        (RecordKind.HELD_ORDER, {"state": OrderState.HELD}, ExitCode.OK, "order: held, sequence"),
        (RecordKind.PARENT_STATE, {"state": ParentState.WORKING}, ExitCode.OK, "order: working, sequence"),
        (
            RecordKind.PARENT_STATE,
            {"state": ParentState.REJECTED, "reason": 18, "kind": InstructionKind.ALGO},
            ExitCode.REFUSED,
            "order: rejected",
        ),
    ],
)
def test_what_the_engine_took_up_is_told(
    shell: Shell, engine: FakeEngine, ledger: Ledger, kind: RecordKind, payload: dict[str, int], code: int, told: str
) -> None:
    while ledger.add(kind, body(kind, **payload), order_handle=(3 << 32) + 1) < 110:
        pass
    ledger.journal.flush()
    shown = shell.ctl("order", "sell", "BTCUSDT", "0.5", "--type", "stop", "--trigger", "29000")
    assert (shown.code, shown.out.startswith(told)) == (code, True), shown.out


def test_orders_are_a_tree_and_flat_when_asked(shell: Shell, engine: FakeEngine, ledger: Ledger) -> None:
    parent, child = (9 << 32) + 1, (9 << 32) + 2
    ledger.order(child, OrderState.NEW)
    text = msgspec.json.encode(
        {"instruction": {"kind": "algo", "terms": {"algo": "twap"}}, "children": [{"handle": child}]}
    )
    fields = {"state": ParentState.WORKING, "kind": InstructionKind.ALGO, "qty_lots": 100_000}
    payload = body(RecordKind.PARENT_STATE, **fields) + text
    where = {"instrument_id": 1, "venue_id": 1}
    ledger.add(RecordKind.PARENT_STATE, payload, order_handle=parent, **where)
    held = body(RecordKind.HELD_ORDER, state=OrderState.HELD, venue_order_id=parent)
    ledger.add(RecordKind.HELD_ORDER, held, order_handle=child + 1, **where)
    ledger.order(child, OrderState.PARTIALLY_FILLED, filled=1_000)
    ledger.journal.flush()
    tree = shell.ctl("orders").out.splitlines()
    assert tree[1].split()[:3] == [str(parent), "BTCUSDT", "BUY"]
    assert [line[:2] for line in tree[2:4]] == ["├─", "└─"]
    assert "└─" not in shell.ctl("orders", "--flat").out
    found = shell.ctl("orders", "--json").json()
    assert [row["parent"] for row in found["orders"]] == [parent, parent]
    assert [row["what"] for row in found["parents"]] == ["twap"]
    assert shell.ctl("algos", "--json").json()["algos"][0]["remaining"] == "1"
    assert "twap" in shell.ctl("algos").out


def test_what_a_protection_holds_stands_below_it_with_its_distance(
    shell: Shell, engine: FakeEngine, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.cli.ctl_tree.Tree.mid", lambda *_: Decimal(30_000))
    parent = (9 << 32) + 1
    own = {"exits": {"is_known": True, "level_ticks": 2_900_000}, "plan": {"stop": {"trigger_ticks": 2_900_000}}}
    text = msgspec.json.encode({"instruction": {"kind": "protection"}, "own": own | {"direction": 1}})
    fields = {"state": ParentState.WORKING, "kind": InstructionKind.PROTECTION, "qty_lots": 50_000, "children": 9}
    payload = body(RecordKind.PARENT_STATE, **fields) + text
    ledger.add(RecordKind.PARENT_STATE, payload, order_handle=parent, instrument_id=1, venue_id=1)
    ledger.journal.flush()
    _, above, below, _ = shell.ctl("orders").out.splitlines()
    assert above.split()[-2:] == ["0", "open"]
    assert below.split()[:6] == ["└─", "stop", "BTCUSDT", "SELL", "STOP", "29000"]
    assert "-1000 (-333.3 bps)" in below
    assert "HELD" in below
