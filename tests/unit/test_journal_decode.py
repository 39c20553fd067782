"""Every kind of record as a dictionary, and the shapes in Python equal to the compiled ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.journal import layout
from engine.journal.cursor import Record
from engine.journal.decode import as_dict, masked, payload
from engine.journal.journal import Journal
from engine.model.codes import FrameFault, Lane, RecordKind, Side

RECORDS_PXD = Path(__file__).resolve().parents[2] / "ext" / "engine" / "model" / "records.pxd"
C_CODES = {
    "uint8_t": "B",
    "int8_t": "b",
    "uint16_t": "H",
    "int16_t": "h",
    "uint32_t": "I",
    "int32_t": "i",
    "uint64_t": "Q",
    "int64_t": "q",
}
STRUCTS = {
    "DepthPayload": RecordKind.DEPTH_DIFF,
    "TickerPayload": RecordKind.BOOK_TICKER,
    "TradePayload": RecordKind.TRADE,
    "FeedStatePayload": RecordKind.FEED_STATE,
    "KlinePayload": RecordKind.KLINE,
    "TickersPayload": RecordKind.TICKER_24H,
    "MarkPricePayload": RecordKind.MARK_PRICE,
    "FundingRatePayload": RecordKind.FUNDING_RATE,
    "FundingPaymentPayload": RecordKind.FUNDING_PAYMENT,
    "OpenInterestPayload": RecordKind.OPEN_INTEREST,
    "LongShortRatioPayload": RecordKind.LONG_SHORT_RATIO,
    "LiquidationPayload": RecordKind.LIQUIDATION,
    "ContractInfoPayload": RecordKind.CONTRACT_INFO,
    "InstrumentUpdatePayload": RecordKind.INSTRUMENT_UPDATE,
    "ExecutionPayload": RecordKind.EXECUTION_REPORT,
    "OrderReplyPayload": RecordKind.ORDER_REPLY,
    "BalancesPayload": RecordKind.ACCOUNT_POSITION,
    "TimerPayload": RecordKind.TIMER,
    "AssetPayload": RecordKind.ASSET,
    "HandlesPayload": RecordKind.HANDLES,
    "StateHashPayload": RecordKind.STATE_HASH,
    "Instrument": RecordKind.INSTRUMENT_ROW,
    "CommandPayload": RecordKind.COMMAND,
    "IntentPayload": RecordKind.INTENT,
    "VerdictPayload": RecordKind.VERDICT,
    "OrderBytesPayload": RecordKind.ORDER_BYTES,
    "OrderStatePayload": RecordKind.ORDER_STATE,
    "FillPayload": RecordKind.FILL,
    "PositionPayload": RecordKind.POSITION,
    "StatePayload": RecordKind.ALARM,
    "RiskStatePayload": RecordKind.RISK_STATE,
    "RefusedFramePayload": RecordKind.OWN_FRAME_MALFORMED,
}
ROW_STRUCTS = {
    "MiniTickerRow": RecordKind.MINI_TICKER,
    "Ticker24hRow": RecordKind.TICKER_24H,
    "FundingRow": RecordKind.FUNDING_RATE,
    "StateHashRow": RecordKind.STATE_HASH,
}


def declared(struct: str) -> list[tuple[str, str]]:
    """(name, code) of a struct's fields as records.pxd declares them, padding included."""
    text = RECORDS_PXD.read_text() + RECORDS_PXD.with_name("tables.pxd").read_text()
    body = re.search(rf"cdef struct {struct}:\n((?:    .*\n|\n)+)", text)
    assert body is not None, struct
    fields = []
    for line in body[1].splitlines():
        match = re.fullmatch(r"    (\w+) (\w+)(?:\[(\d+)\])?", line.split("#")[0].rstrip())
        if match is None:
            continue
        kind, name, count = match.groups()
        code = f"{count}s" if kind == "char" else C_CODES[kind]
        if name.startswith("pad"):
            size = int(count or 1) * {"B": 1, "h": 2, "H": 2, "I": 4}[C_CODES[kind]]
            code = f"{size}x"
        fields.append((name, code))
    return fields


@pytest.mark.parametrize("struct", sorted(STRUCTS))
def test_the_python_layout_is_the_compiled_one(struct: str) -> None:
    form, names = layout.payload_format(STRUCTS[struct])
    expected = declared(struct)
    assert [name for name, code in expected if not code.endswith("x")] == names
    assert "<" + "".join(code for _, code in expected) == form.format


@pytest.mark.parametrize("struct", sorted(ROW_STRUCTS))
def test_the_python_layout_of_rows_is_the_compiled_one(struct: str) -> None:
    form, names = layout.row_format(ROW_STRUCTS[struct])
    expected = declared(struct)
    assert [name for name, code in expected if not code.endswith("x")] == names
    assert "<" + "".join(code for _, code in expected) == form.format


def test_rows_follow_the_fixed_part_by_name() -> None:
    fixed, _ = layout.payload_format(RecordKind.FUNDING_RATE)
    row, _ = layout.row_format(RecordKind.FUNDING_RATE)
    found = payload(record_of(RecordKind.FUNDING_RATE, fixed.pack(2) + row.pack(1, -2, 3) + row.pack(4, 5, 6)))
    assert found["rows"][0] == {"funding_ns": 1, "rate_e8": -2, "mark_e8": 3}
    assert len(found["rows"]) == 2


def test_the_header_layout_is_the_compiled_one() -> None:
    expected = declared("RecordHeader")
    assert tuple(name for name, _ in expected) == layout.HEADER_FIELDS
    assert "<" + "".join(code for _, code in expected) == layout.HEADER.format
    assert layout.HEADER.size == layout.RECORD_HEADER_BYTES


def test_every_kind_has_a_layout_or_is_text_or_raw() -> None:
    free = {kind for kind in RecordKind if kind not in layout.PAYLOADS}
    assert free == {
        RecordKind.PAD,
        RecordKind.MARKET_FRAME_OTHER,
        RecordKind.OWN_FRAME_OTHER,
        RecordKind.INSTRUMENT,
        RecordKind.INSTRUCTION,
        RecordKind.LIMITS,
        RecordKind.TIME_SYNC,
        RecordKind.START,
        RecordKind.STOP,
        RecordKind.RECOVERED,
        RecordKind.CUT,
        RecordKind.CORE_START,
        RecordKind.OPERATOR,
    }


def record_of(kind: RecordKind, data: bytes, **header: int) -> Record:
    journal = Journal.in_memory()
    lane = Lane.TAPE if kind < RecordKind.EXECUTION_REPORT else Lane.LEDGER
    journal.append(
        lane, kind, data, order_handle=header.get("order_handle", 0), frame_length=header.get("frame_length", 0)
    )
    (record,) = journal.records()
    return record


@pytest.mark.parametrize("kind", sorted(layout.PAYLOADS))
def test_each_field_of_each_kind_comes_back_under_its_name(kind: RecordKind) -> None:
    form, names = layout.payload_format(kind)
    values = [
        b"abc" if code.endswith("s") else 1 for code in re.findall(r"\d*[a-z]", form.format, re.I) if code[-1] != "x"
    ]
    counts = {"bid_count", "ask_count", "count", "byte_count"}
    values = [0 if name in counts else value for name, value in zip(names, values, strict=True)]
    found = payload(record_of(kind, form.pack(*values)))
    assert [name for name in found if name in names] == names
    assert not any(isinstance(value, bytes) for value in found.values())


def test_codes_come_by_name() -> None:
    form, _ = layout.payload_format(RecordKind.INTENT)
    found = as_dict(
        record_of(RecordKind.INTENT, form.pack(0, Side.SELL, 1, 1, 0, 0, 0, 5, 6, 0, 0, 0), order_handle=77)
    )
    assert found["kind"] == "INTENT"
    assert found["lane"] == "LEDGER"
    assert found["order_handle"] == 77
    assert found["payload"]["action"] == "SUBMIT"
    assert (found["payload"]["side"], found["payload"]["order_type"]) == ("SELL", "MARKET")


def test_levels_and_balances_follow_the_fixed_part() -> None:
    form, _ = layout.payload_format(RecordKind.DEPTH_DIFF)
    levels = b"".join(layout.LEVEL.pack(price, 10 * price) for price in (1, 2, 3))
    found = payload(record_of(RecordKind.DEPTH_DIFF, form.pack(1, 2, 0, 9, 2, 1) + levels))
    assert found["bids"] == [[1, 10], [2, 20]]
    assert found["asks"] == [[3, 30]]
    form, _ = layout.payload_format(RecordKind.ACCOUNT_POSITION)
    row = layout.BALANCE_ROW.pack(4, 500, 6)
    found = payload(record_of(RecordKind.ACCOUNT_POSITION, form.pack(1, 2, 1, 1) + row))
    assert found["balances"] == [{"asset_id": 4, "free_e8": 500, "locked_e8": 6}]


def test_counts_that_lie_do_not_break_the_reader() -> None:
    form, _ = layout.payload_format(RecordKind.DEPTH_DIFF)
    found = payload(record_of(RecordKind.DEPTH_DIFF, form.pack(1, 2, 0, 9, 1_000_000, 1)))
    assert found["bids"] == []
    assert payload(record_of(RecordKind.ALARM, b"short")) == {"raw": (b"short" + bytes(3)).hex()}


def test_raw_frames_keep_their_bytes() -> None:
    form, _ = layout.payload_format(RecordKind.OWN_FRAME_MALFORMED)
    refused = form.pack(FrameFault.TRUNCATED) + b'{"e": \xff'
    found = payload(record_of(RecordKind.OWN_FRAME_MALFORMED, refused, frame_length=7))
    assert found == {"fault": "TRUNCATED", "raw": '{"e": \\xff'}
    capped = payload(record_of(RecordKind.MARKET_FRAME_OTHER, b"x" * 8, frame_length=9000))
    assert capped == {"raw": "x" * 8}


def test_bytes_sent_are_shown_without_key_and_signature() -> None:
    sent = b'{"apiKey":"vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zv","signature":"cc15477742bd704c","price":"1"}'
    form, _ = layout.payload_format(RecordKind.ORDER_BYTES)
    found = payload(record_of(RecordKind.ORDER_BYTES, form.pack(5, 0, len(sent)) + sent))
    assert found["bytes"] == '{"apiKey":"vmPU...","signature":"cc15...","price":"1"}'
    assert masked("symbol=BTC&signature=abcdef012&recvWindow=1") == "symbol=BTC&signature=abcd...&recvWindow=1"


def test_text_follows_states_and_free_kinds_hold_json_or_text() -> None:
    form, _ = layout.payload_format(RecordKind.ALARM)
    found = payload(record_of(RecordKind.ALARM, form.pack(9, 0, 0, 1) + "weiß".encode()))
    assert (found["state"], found["text"]) == ("KILLED", "weiß")
    assert payload(record_of(RecordKind.START, b'{"build": "x"}')) == {"build": "x"}
    assert payload(record_of(RecordKind.TIME_SYNC, b"{not json")) == {"text": "{not json"}
    assert payload(record_of(RecordKind.INSTRUMENT, b"\xff\xfe\xfd")) == {"raw": "fffefd"}
