"""The venue's own books of money, so that every unit of 1e-8 can be accounted for.

At any time: sum of wallets + fees + insurance + funding pool - cost of all open positions (accounts' and fund's)
- what the street paid = deposits + the fund's start.
"""

from __future__ import annotations

import msgspec


class Ledger(msgspec.Struct):
    """What came in and where it went, beside the accounts' wallets (all 1e-8 USDT).

    ``funding_e8`` is funding paid less received: the street, that is the generated market, has the other side.
    ``fund_cost_e8`` and ``street_paid_e8`` are what the fund's and the street's positions cost.
    """

    deposits_e8: int = 0
    fees_e8: int = 0
    insurance_start_e8: int = 0
    insurance_e8: int = 0
    funding_e8: int = 0
    fund_cost_e8: int = 0
    street_paid_e8: int = 0
