"""`tradewind journal` and `tradewind explain`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.exit_codes import ExitCode
from engine.journal import layout
from engine.journal.explain import explain
from engine.journal.journal import Journal
from engine.journal.places import segments
from engine.journal.reader import JournalReader
from engine.journal.scan import checksum
from engine.model.codes import Lane, OrderState, RecordKind
from tests.journal_harness import memory_folder, open_stepped, small_config

HANDLE = (1 << 32) + 1
OTHER = (1 << 32) + 2
CLIENT_ID = b"A1b2C3d4E5f6G7h8"
BASE_NS = 1_000_000


def packed(kind: RecordKind, **values: int | bytes) -> bytes:
    """A payload of `kind` with these fields, the others 0."""
    form, names = layout.payload_format(kind)
    codes = [code for code in (part.split(":")[1] for part in layout.PAYLOADS[kind].split()) if not code.endswith("x")]
    fields = [values.get(name, b"" if code.endswith("s") else 0) for name, code in zip(names, codes, strict=True)]
    return form.pack(*fields)


def order_story(journal: Journal) -> dict[str, int]:
    """A ticker, the order it caused, and the order's life; other orders between. Returns sequences by step."""
    seqs: dict[str, int] = {}
    turn_ns = BASE_NS

    def put(
        name: str, kind: RecordKind, cause: str, lane: Lane = Lane.LEDGER, tail: bytes = b"", **values: int | bytes
    ) -> None:
        handle = HANDLE if lane == Lane.LEDGER and name != "position" else 0
        cause_seq = seqs.get(cause, 0)
        seqs[name] = journal.append(
            lane,
            kind,
            packed(kind, **values) + tail,
            cause_seq=cause_seq,
            order_handle=handle,
            wall_ns=turn_ns,
            mono_ns=turn_ns,
        )
        journal.append(Lane.LEDGER, RecordKind.ORDER_STATE, packed(RecordKind.ORDER_STATE), order_handle=OTHER)
        journal.append(Lane.TAPE, RecordKind.TRADE, packed(RecordKind.TRADE))

    sent = b'{"method":"order.place","signature":"0123456789abcdef"}'
    put("frame", RecordKind.BOOK_TICKER, "", Lane.TAPE, bid_price_ticks=100, ask_price_ticks=101)
    put("signal", RecordKind.INTENT, "frame", price_ticks=100, qty_lots=5)
    put("verdict", RecordKind.VERDICT, "signal", approved=1)
    put("pending", RecordKind.ORDER_STATE, "verdict", state=OrderState.PENDING_NEW, client_order_id=CLIENT_ID)
    put("bytes", RecordKind.ORDER_BYTES, "pending", tail=sent, byte_count=len(sent))
    turn_ns += 250_000
    put("ack", RecordKind.ORDER_REPLY, "", status=200, client_order_id=CLIENT_ID)
    put("new", RecordKind.ORDER_STATE, "ack", state=OrderState.NEW, client_order_id=CLIENT_ID, venue_order_id=4711)
    turn_ns += 3_000_000
    put("report", RecordKind.EXECUTION_REPORT, "", last_qty_lots=5)
    put("fill", RecordKind.FILL, "report", qty_lots=5)
    put("position", RecordKind.POSITION, "report", position_lots=5)
    return seqs


@pytest.fixture(name="data_dir")
def fixture_data_dir() -> Iterator[Path]:
    with memory_folder() as folder:
        journal = open_stepped(small_config(folder))
        order_story(journal)
        journal.close()
        yield folder / "data"


@pytest.mark.parametrize("name", [CLIENT_ID.decode(), str(HANDLE), "4711"])
def test_explain_gives_the_whole_chain_by_any_of_the_orders_names(data_dir: Path, name: str) -> None:
    found = explain(JournalReader(data_dir), name)
    assert found is not None
    assert found.order_handle == HANDLE
    assert (found.client_order_id, found.venue_order_id) == (CLIENT_ID.decode(), 4711)
    steps = ["frame", "signal", "verdict", "state", "bytes", "ack", "state", "report", "fill", "position"]
    assert [step.name for step in found.steps] == steps
    assert found.steps[0].record["payload"]["bid_price_ticks"] == 100
    assert found.steps[5].since_start_ns == 250_000
    assert found.steps[-1].since_start_ns == 3_250_000
    causes = [step.cause_seq for step in found.steps]
    seqs = [step.seq for step in found.steps]
    assert causes[1:5] == seqs[:4]


def test_explain_prints_a_line_a_step_and_no_signature(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "4711", "--dir", str(data_dir)]) == ExitCode.OK
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 11
    assert "BOOK_TICKER" in out
    elapsed = [re.search(r" (\+[0-9.]+ \w+) ", line).group(1) for line in out.splitlines()[1:]]  # type: ignore[union-attr]
    assert elapsed == ["+0 ns"] * 5 + ["+250.0 us"] * 2 + ["+3.2 ms"] * 3
    assert "0123456789abcdef" not in out
    assert main(["explain", "4711", "--dir", str(data_dir), "--json"]) == ExitCode.OK
    assert len(json.loads(capsys.readouterr().out)["steps"]) == 10


def test_explain_of_an_unknown_order_says_so(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "nobody", "--dir", str(data_dir)]) == ExitCode.NO_INPUT
    assert capsys.readouterr().err == "tradewind: no order 'nobody' in this journal\n"


def test_cat_selects_by_lane_kind_and_sequence(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["journal", "cat", "--dir", str(data_dir), "--json"]
    assert main([*arguments, "--kind", "fill", "--kind", "VERDICT"]) == ExitCode.OK
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["kind"] for row in rows] == ["VERDICT", "FILL"]
    assert main([*arguments, "--lane", "tape", "--from", "2", "--to", "4"]) == ExitCode.OK
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["seq"], row["kind"]) for row in rows] == [(2, "BOOK_TICKER"), (4, "TRADE")]
    assert main([*arguments, "--kind", "nonsense"]) == ExitCode.USAGE


def test_cat_prints_one_readable_line_a_record(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "cat", "--dir", str(data_dir), "--kind", "ORDER_STATE", "--to", "20"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert any("state=PENDING_NEW" in line and f"order_handle={HANDLE}" in line for line in lines)
    assert all(line[0].isdigit() for line in lines)


def test_verify_is_74_where_the_journal_is_damaged(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["journal", "verify", "--dir", str(data_dir)]
    assert main(arguments) == ExitCode.OK
    assert capsys.readouterr().out.startswith("whole\n")
    path = segments(data_dir, Lane.LEDGER)[0][1]
    data = bytearray(path.read_bytes())
    data[300] ^= 4
    path.write_bytes(data)
    assert main(arguments) == ExitCode.IO_ERROR
    assert f"damage: {path} byte" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == ExitCode.IO_ERROR
    assert json.loads(capsys.readouterr().out)["whole"] is False
    assert main(["journal", "cat", "--dir", str(data_dir)]) == ExitCode.IO_ERROR


def lose(path: Path) -> None:
    path.unlink()


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"epoch":', b'"epoch":1'))


def replace_with_anothers(path: Path) -> None:
    facts = json.loads(path.read_bytes().rpartition(b" ")[0]) | {"journal_id": "00" * 16}
    text = json.dumps(facts).encode()
    path.write_bytes(b"%s %08x\n" % (text, checksum(text)))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lose, "missing, though segments are there"),
        (damage, "its checksum does not match"),
        (replace_with_anothers, "the segment belongs to another journal"),
    ],
)
def test_verify_is_74_where_a_start_would_refuse_the_epoch_file(
    data_dir: Path, change: Callable[[Path], None], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["journal", "verify", "--dir", str(data_dir)]) == ExitCode.OK
    capsys.readouterr()
    change(data_dir / "epoch")
    assert main(["journal", "verify", "--dir", str(data_dir)]) == ExitCode.IO_ERROR
    told = capsys.readouterr().out
    assert told.startswith("NOT WHOLE")
    assert word in told


def test_a_segment_under_another_number_is_74(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [(number, path)] = segments(data_dir, Lane.TAPE)
    path.write_bytes(segments(data_dir, Lane.LEDGER)[0][1].read_bytes())
    assert main(["journal", "verify", "--dir", str(data_dir)]) == ExitCode.IO_ERROR
    assert f"header says lane {Lane.LEDGER.value}, segment {number}" in capsys.readouterr().out


def test_stats_count_by_kind(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "stats", "--dir", str(data_dir), "--json"]) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert {row["kind"]: row["records"] for row in found["kinds"]}["FILL"] == 1
    assert main(["journal", "stats", "--dir", str(data_dir)]) == ExitCode.OK
    assert "GB a day" in capsys.readouterr().out


def test_no_journal_is_66(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "cat", "--dir", str(tmp_path)]) == ExitCode.NO_INPUT
    assert "no journal here" in capsys.readouterr().err
