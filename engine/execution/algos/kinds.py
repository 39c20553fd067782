"""Which algorithm carries out which terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.execution.algos.core import Algo, Order
from engine.execution.algos.iceberg import IcebergAlgo
from engine.execution.algos.peg import PegAlgo
from engine.execution.algos.pov import PovAlgo
from engine.execution.algos.shortfall import ShortfallAlgo
from engine.execution.algos.sniper import SniperAlgo
from engine.execution.algos.twap import TwapAlgo
from engine.execution.algos.vwap import VwapAlgo
from engine.model.algo_terms import AlgoTerms, Iceberg, Peg, Pov, Shortfall, Sniper, Twap, Vwap

ALGOS: dict[type, Callable[[Any, Order], Algo[Any]]] = {
    Twap: TwapAlgo,
    Vwap: VwapAlgo,
    Pov: PovAlgo,
    Iceberg: IcebergAlgo,
    Shortfall: ShortfallAlgo,
    Sniper: SniperAlgo,
    Peg: PegAlgo,
}


def make(terms: AlgoTerms, order: Order) -> Algo[Any]:
    """The algorithm that the terms are of."""
    return ALGOS[type(terms)](terms, order)
