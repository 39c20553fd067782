"""Rounds of `kill -9` on one venue and one journal: by the strategy in a window of an order's life, and by us at any instant.

Beside the strategies an operator gives commands all the time. What must hold afterwards, run by run, is judged in `kill_checks.py`.
"""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from engine.control.client import ControlClient, EngineUnreachableError
from engine.control.messages import Accepted, AnyReply, Command, Order, Pause, Reconcile, Resume, Scope, SetLimits
from engine.control.order_text import SideText
from engine.demo.markets import SPOT, DemoMarket
from tests.fault.market import Market

WINDOWS = ("before_append", "after_append", "after_send", "after_ack")
INSTANT = "instant"
AIMS = (INSTANT, "trading")
STRATEGY = "tests.fault.killing_maker:KillingMaker"
WINDOW_S_MAX = 12.0
# from its birth: over the start, recovery and reconciliation, to some trading
INSTANT_S = (0.1, 1.8)
# from when it may trade
TRADING_S = (0.0, 0.6)
OPERATOR_TIMEOUT_MS = 300
OPERATOR_PAUSE_S = 0.02


@dataclass(frozen=True)
class Kill:
    """One life of the daemon: what should end it and what did, wall times of birth and death, the last sequence it told of."""

    aim: str
    ended_by: str
    born_wall_ns: int
    dead_wall_ns: int
    told_seq: int


class Operator:
    """Gives commands one after the other, whoever answers; keeps the sequence of each that was accepted."""

    def __init__(self, market: Market) -> None:
        self.path = market.place.runtime_dir / "control.sock"
        self.accepted: list[int] = []
        self._commands = self._all(market.symbols)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="operator")

    @staticmethod
    def _all(symbols: tuple[str, ...]) -> Iterator[Command | Order]:
        """A strategy stands still and goes on, a limit moves, an order of the operator's own, a reading of the account."""
        round_of: list[Command | Order] = []
        for symbol in symbols:
            scope, maker = Scope(symbol=symbol), Scope(strategy=f"maker-{symbol.lower()}")
            round_of += [Pause(scope=maker, reason="drill"), Resume(scope=maker, reason="drill")]
            round_of += [
                SetLimits(scope=scope, values={"max_open_orders": str(count)}, loosen=True) for count in (19, 20)
            ]
            sides: tuple[SideText, SideText] = ("buy", "sell")
            round_of += [
                Order(scope=scope, side=side, order_type="market", qty="0.01", reason="drill") for side in sides
            ]
        return cycle([*round_of, Reconcile(reason="drill")])

    def __enter__(self) -> Operator:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                with ControlClient(self.path, OPERATOR_TIMEOUT_MS) as client:
                    while not self._ended.wait(OPERATOR_PAUSE_S):
                        self._note(client.request(next(self._commands)))
            except EngineUnreachableError:
                self._ended.wait(OPERATOR_PAUSE_S)

    def _note(self, reply: AnyReply) -> None:
        if isinstance(reply, Accepted):
            self.accepted.append(reply.sequence)


@dataclass
class Session:
    """A venue that lives on and a daemon that is killed `kills` times on the same journal, then started once more and stopped."""

    root: Path
    seed: int
    kills: int
    traded: DemoMarket = SPOT
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
    done: list[Kill] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)

    def run(self) -> Market:
        """All rounds; the market afterwards, its engine stopped in order. The caller closes it."""
        chance = random.Random(self.seed)
        market = Market(self.root, self.symbols, activity=4.0, traded=self.traded)
        try:
            with Operator(market) as operator:
                for number in range(self.kills):
                    aim = WINDOWS[number // 2 % len(WINDOWS)] if number % 2 else AIMS[number // 2 % len(AIMS)]
                    self.done.append(self._round(market, aim, chance))
            self.accepted = operator.accepted
            self._last(market)
        except BaseException:
            market.close()
            raise
        return market

    def _round(self, market: Market, aim: str, chance: random.Random) -> Kill:
        window = aim if aim in WINDOWS else "never"
        market.write_config(strategy=STRATEGY, params={"window": window, "orders": chance.randrange(2, 8)})
        born_wall_ns = time.time_ns()
        engine = market.start()
        if aim == "trading":
            market.wait_active()
        try:
            after_s = {INSTANT: chance.uniform(*INSTANT_S), "trading": chance.uniform(*TRADING_S)}.get(
                aim, WINDOW_S_MAX
            )
            code, ended_by = engine.process.wait(after_s), aim
            assert code == -9, f"{code}: {market.tail()}"
        except subprocess.TimeoutExpired:
            # also a maker at its inventory limit, which may not quote: then any instant does
            market.kill()
            ended_by = INSTANT
        told = market.counters()
        told_seq = told["journal_last_seq"] if told.get("pid") == engine.process.pid else 0
        return Kill(aim, ended_by, born_wall_ns, time.time_ns(), told_seq)

    @staticmethod
    def _last(market: Market) -> None:
        """A run that nobody kills, so that all is settled."""
        market.write_config()
        market.start()
        market.wait_active()
        time.sleep(0.5)
        assert market.engine is not None
        assert market.engine.stop() == 0, market.engine.tail()
