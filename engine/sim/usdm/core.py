"""The pure simulated USD-M futures venue: ``UsdmCore`` implements ``engine.sim.usdm.api.UsdmVenue``.

It has no clock, no input or output and no random but its own seeded generator: the same configuration, accounts, seed
and calls give the same events and answers. The books are full at construction.
"""

from __future__ import annotations

from engine.sim.usdm.accounts_desk import AccountsDesk
from engine.sim.usdm.api import UsdmVenue
from engine.sim.usdm.market_desk import MarketDesk
from engine.sim.usdm.orders_desk import OrdersDesk


class UsdmCore(OrdersDesk, AccountsDesk, MarketDesk, UsdmVenue):
    """``UsdmCore(config, accounts, seed, start_ns, prices=None)``: ``accounts`` are spot's, in the same order.

    ``prices`` gives index (and mark) prices from outside the generated market, for instance of a recording.
    """
