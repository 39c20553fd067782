"""Streams operations from a binary file through the matching engine and writes the events to another.

So other people's oracles can be run against it: see ``python -m tests.stream_operations --help``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from engine.book.matching import EVENT_DTYPE, OP_DTYPE, MatchingEngine

TRADE, REJECTED = 1, 3

LAYOUT = """\
Both files are plain records of 64 bytes, little-endian, without a header. Each operation gives one event or more, in order.
docs/matching.md tells what every field, flag and reason means.

an operation (offset, type, field):
{ops}

an event:
{events}

How to say what a foreign oracle says (whatever is not named is 0; owner 0 and stp 0 let price and time alone decide):

  add a limit order    op=0 type=0 tif=0 side symbol order_id price qty
  immediate-or-cancel  op=0 type=0 tif=1 side symbol order_id price qty
  market order         op=0 type=1       side symbol order_id qty
  cancel               op=1              symbol order_id
  modify               op=2              symbol order_id price qty      (qty: what shall then be open; less at the same price
                                                                         keeps the place, flags=16 loses it in any case)

side is 0 to buy and 1 to sell; price is in ticks, 1 .. 2^price_bits - 1; qty in lots, 1 or more; order_id any 64 bits that no
live order has. Trades are the events of kind 1, in the order of execution: order_id is the taker, maker_id the maker, price the
maker's price, qty what was traded, leaves and maker_leaves what both have left, op_index the operation (from 0) that took. With
--trades-only the second file has these alone. A refusal is an event of kind 3 with its reason; the run goes on behind it.

Example, as numpy writes and reads it:

  ops = numpy.zeros(2, OP_DTYPE)               # from engine.book.matching import OP_DTYPE, EVENT_DTYPE
  ops["side"], ops["order_id"], ops["price"], ops["qty"] = [1, 0], [1, 2], 100, [5, 3]
  ops.tofile("ops.bin")
  python -m tests.stream_operations ops.bin events.bin
  numpy.fromfile("events.bin", EVENT_DTYPE)    # accepted 1, accepted 2, trade of 3 at 100
"""


def fields_of(dtype: np.dtype[np.void]) -> str:
    """A line for each field: where it is, how it is written, its name."""
    fields: Mapping[str, Any] = dtype.fields or {}
    return "\n".join(f"  {fields[name][1]:>3}  {fields[name][0].str[1:]}  {name}" for name in dtype.names or ())


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line; what is wrong with it or with the files is told in a line, and the exit code is 2."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.stream_operations",
        description=__doc__,
        epilog=LAYOUT.format(ops=fields_of(OP_DTYPE), events=fields_of(EVENT_DTYPE)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("ops", type=Path, help="file of operations to read")
    parser.add_argument("events", type=Path, help="file of events to write")
    parser.add_argument("--symbols", type=int, default=1, help="books, numbered from 0 (default 1)")
    parser.add_argument("--orders", type=int, default=1_000_000, help="live orders at most (default 1,000,000)")
    parser.add_argument("--pages", type=int, default=65_536, help="pages of 64 prices at most (default 65,536)")
    parser.add_argument("--price-bits", type=int, default=24, help="prices end below 2 to this (default 24)")
    parser.add_argument("--batch", type=int, default=65_536, help="operations of one call (default 65,536)")
    parser.add_argument("--trades-only", action="store_true", help="write nothing but trades")
    chosen = parser.parse_args(words)
    wrong = trouble(chosen)
    if wrong:
        parser.error(wrong)
    return chosen


def trouble(chosen: argparse.Namespace) -> str:
    """What is wrong, or nothing."""
    if chosen.batch < 1:
        return f"--batch {chosen.batch}: at least 1"
    if not chosen.ops.is_file():
        return f"{chosen.ops}: no such file"
    size = chosen.ops.stat().st_size
    if size % OP_DTYPE.itemsize:
        whole, rest = divmod(size, OP_DTYPE.itemsize)
        return f"{chosen.ops}: {size} bytes are {whole} records of {OP_DTYPE.itemsize} and {rest} bytes too many"
    if chosen.events.exists() and chosen.events.samefile(chosen.ops):
        return f"{chosen.events}: the events would overwrite the operations"
    return ""


def stream(engine: MatchingEngine, ops: BinaryIO, events: BinaryIO, batch: int, trades_only: bool) -> tuple[int, int]:
    """Everything from one file to the other; counts of the events written and of the refusals."""
    written = refused = 0
    out = np.zeros(4 * batch, EVENT_DTYPE)
    while chunk := ops.read(batch * OP_DTYPE.itemsize):
        rows = engine.submit_batch(np.frombuffer(chunk, OP_DTYPE), out)
        refused += int(np.count_nonzero(rows["kind"] == REJECTED))
        if trades_only:
            rows = rows[rows["kind"] == TRADE]
        events.write(rows.tobytes())
        written += len(rows)
    return written, refused


def main(words: list[str] | None = None) -> int:
    """Exit code 0; 2 where the command line or a file is wrong."""
    chosen = arguments(words)
    try:
        engine = MatchingEngine(chosen.symbols, chosen.orders, chosen.pages, price_bits=chosen.price_bits)
        with chosen.ops.open("rb") as ops, chosen.events.open("wb") as events:
            written, refused = stream(engine, ops, events, chosen.batch, chosen.trades_only)
    except (ValueError, OverflowError, OSError) as error:
        sys.stderr.write(f"stream_operations: {error}\n")
        return 2
    sys.stderr.write(
        f"{engine.op_count} operations, {written} events written, {refused} refused, {engine.trade_count} trades, "
        f"{engine.live_orders} orders left, state hash {engine.state_hash()}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
