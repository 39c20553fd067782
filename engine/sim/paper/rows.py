"""The rows of a paper account's file: one JSON object a line, the later ones in place of the earlier."""

from __future__ import annotations

import msgspec

from engine.sim.records import AccountTrade, Order
from engine.sim.usdm.records import AlgoOrder, UsdmOrder, UserTrade

VERSION = 1


class Head(msgspec.Struct, tag="head"):
    """The first row: what the file is of."""

    version: int
    market: str  # spot or usdm
    began_ns: int


class SpotOrder(msgspec.Struct, tag="order"):
    """An order's state just after an event."""

    order: Order


class SpotTrade(msgspec.Struct, tag="trade"):
    """A fill."""

    trade: AccountTrade


class SpotBalances(msgspec.Struct, tag="balances"):
    """All that the account has, locked amounts included (1e-8 by asset)."""

    totals_e8: dict[str, int]


class HoldingRow(msgspec.Struct, array_like=True):
    """A futures position, in the fields of ``engine.sim.usdm.holdings.Holding``."""

    symbol: str
    position_side: str
    qty_e8: int
    cost_e8: int
    fees_e8: int
    realized_e8: int
    isolated_wallet_e8: int


class UsdmWallet(msgspec.Struct, tag="wallet"):
    """Wallet, positions that are or were, and settings by contract (leverage, margin type)."""

    wallet_e8: int
    dual_side: bool
    holdings: list[HoldingRow]
    settings: dict[str, tuple[int, str]]


class FuturesOrder(msgspec.Struct, tag="futures_order"):
    """An order's state just after an event."""

    order: UsdmOrder


class FuturesTrade(msgspec.Struct, tag="futures_trade"):
    """A fill."""

    trade: UserTrade


class ConditionalOrder(msgspec.Struct, tag="algo"):
    """A conditional order's state just after an event."""

    algo: AlgoOrder


Row = Head | SpotOrder | SpotTrade | SpotBalances | UsdmWallet | FuturesOrder | FuturesTrade | ConditionalOrder
DECODER = msgspec.json.Decoder(Row)
ENCODER = msgspec.json.Encoder()


class PaperAccountError(ValueError):
    """A paper account's file that cannot be read; the text names it, the line and what to do."""


def read_rows(path: str, data: bytes) -> list[Row]:
    """Every whole row. What a kill cut in the middle of the last line was never told to anybody. Raises PaperAccountError."""
    rows: list[Row] = []
    lines = data.split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            rows.append(DECODER.decode(line))
        except msgspec.DecodeError as error:
            raise PaperAccountError(f"{path}, line {number}: {error}; delete the file for a new account") from None
    if rows and not (isinstance(rows[0], Head) and rows[0].version == VERSION):
        raise PaperAccountError(f"{path} is of another version of the engine; delete it for a new account")
    return rows
