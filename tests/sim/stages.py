"""The three worlds in which a scenario is played: real sockets, the in-process simulation, paper."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import uvloop

import engine.daemon as daemon_module
from engine.account_locks import AccountLocks
from engine.config import LoadedConfig, load
from engine.control.commands import OperatorCommand
from engine.credentials import Credentials
from engine.model.codes import CommandKind, OrderState, OrderType, Side, TimeInForce, TradingState, TriggerSource
from engine.runtime.clock import Clock
from engine.runtime.net import LiveNet
from engine.runtime.world import World
from engine.sim.core import VenueCore
from engine.sim.records import OrderRequest
from engine.sim.usdm.core import UsdmCore
from engine.sim.usdm.records import UsdmOrderRequest
from engine.sim.wire.config import load as load_venue
from engine.sim.wire.server import Ports, VenueServer
from engine.sim.wire.shell import VenueShell
from engine.simulation import START_NS, Latency, Simulation
from engine.strategy.api import Leg
from tests.sim import scenario as scenario_module
from tests.sim.scenario import OTHERS, Prices, Scenario, Step
from tests.sim.scripted import CHILD, SETTLED, SYMBOL, Scripted
from tests.venue_harness import CONFIG, KEY, SECRET

SEED = 3
E8 = 10**8
LIMIT_S = 20.0
NUDGES_MAX = 400
VIRTUAL_LIMIT_S = 3.0
USDM_KEYS = 'leverage = 10\nmargin_type = "cross"\nposition_mode = "one-way"\n'

TEXT = """
[engine]
name = "scenario"
id = 1
mode = "{mode}"
data_dir = "data"
runtime_dir = "runtime"
strategy_turn_ms_max = 60000
crash_loop = "off"
[journal]
ledger_front_bytes = 1048576
tape_front_bytes = 4194304
segment_bytes = 4194304
[venue.sim]
kind = "{kind}"
rest_url = "http://127.0.0.1:{rest}"
stream_url = "ws://127.0.0.1:{ws}"
ws_api_url = "ws://127.0.0.1:{ws}"
{key}symbols = ["BTCUSDT"]
{usdm}
[paper]
balances = {{ USDT = "250000", BTC = "2" }}
{paper}[risk]
max_open_orders = 50
message_rate_per_s = 100
message_burst = 100
stale_after_ms = 600000
clock_drift_ms_max = 1000
[risk.instrument.BTCUSDT]
{limits}
[strategy.scripted]
class = "tests.sim.scripted:Scripted"
symbols = ["BTCUSDT"]
[reconcile]
cancel_on_start = true
interval_s = 30
"""
WIDE_LIMITS = """max_order_qty = "5"
max_order_notional = "400000"
max_position = "10"
price_collar_bps = 5000
max_open_orders = 50"""


def configure(
    root: Path, kind: str, mode: str, rest: int = 1, ws: int = 1, paper: str = "", limits: str = WIDE_LIMITS
) -> LoadedConfig:
    """An engine with wide limits below `root`; `paper` are more keys of that table, `limits` those of the instrument."""
    key = "" if mode == "paper" else 'credential = "sim"\nkey_type = "hmac"\n'
    usdm = USDM_KEYS if kind == "binance-usdm" else ""
    path = root / "engine.toml"
    fields = {"mode": mode, "kind": kind, "rest": rest, "ws": ws, "key": key, "usdm": usdm, "paper": paper}
    path.write_text(TEXT.format(**fields, limits=limits))
    return load(path)


def still_venue(start_ns: int) -> VenueShell:
    """A venue whose books are full and move only by accounts' orders."""
    file = load_venue(CONFIG)
    assert file.usdm is not None
    # a third account, for what is not to trade with the second
    third = msgspec.structs.replace(file.venue.accounts[1], name="third", keys=file.venue.accounts[1].keys[:0])
    accounts = (*file.venue.accounts, third)
    spot = msgspec.structs.replace(
        file.venue, symbols=file.venue.symbols[:1], accounts=accounts, activity=0.0, backfill_minutes=0
    )
    futures = msgspec.structs.replace(
        file.usdm,
        symbols=file.usdm.symbols[:1],
        wallets=file.usdm.wallets | {third.name: "50000"},
        activity=0.0,
        backfill_minutes=0,
    )
    shell = VenueShell(VenueCore(spot, SEED, start_ns), file.wire, file.limits, start_ns)
    shell.add_usdm(UsdmCore(futures, spot.accounts, SEED, start_ns), file.usdm_limits, file.usdm_wire, start_ns)
    return shell


def credentials() -> Credentials:
    """The first account's key."""
    return Credentials("hmac", KEY, SECRET.encode())


def trade(shell: VenueShell, kind: str, step: Step, price: Decimal, now_ns: int, account: int = OTHERS) -> None:
    """An order of another account."""
    fields: dict[str, Any] = {
        "symbol": SYMBOL,
        "side": step.side,
        "type": "LIMIT",
        "time_in_force": step.time_in_force,
        "quantity_e8": int(Decimal(step.qty) * E8),
        "price_e8": int(price * E8),
    }
    if kind == "binance-spot":
        shell.core.place(account, OrderRequest(**fields), now_ns)
    else:
        assert shell.usdm is not None
        shell.usdm.core.place(account, UsdmOrderRequest(**fields), now_ns)


def nudge(shell: VenueShell, kind: str, prices: Prices, now_ns: int) -> None:
    """A far order of the other account: a still market sends nothing by which a book could be joined to its snapshot."""
    trade(
        shell,
        kind,
        Step(do="market", side="BUY", qty="0.002", time_in_force="GTC"),
        prices.best["bid"] * 98 // 100,
        now_ns,
    )


def prices_of(shell: VenueShell, kind: str) -> Prices:
    """The venue's best prices now."""
    core: Any = shell.core if kind == "binance-spot" or shell.usdm is None else shell.usdm.core
    top = core.book_ticker(SYMBOL)
    rules = core.rules(SYMBOL)
    return Prices(Decimal(top.bid_price_e8) / E8, Decimal(top.ask_price_e8) / E8, Decimal(rules.tick_e8) / E8)


def ask(strategy: Scripted, step: Step, prices: Prices) -> None:
    """Let the strategy do a step of ours in its next turn."""
    price = prices.of(step.price)
    if step.do == "place":
        strategy.states[step.order] = OrderState.NONE
        strategy.asked.append(
            lambda: strategy.place(step.order, step.side, step.qty, price, words(step.options, prices))
        )
    elif step.do == "place_list":
        legs = [(row.order, leg_of(row, prices)) for row in step.legs]
        strategy.states.update({row.order: OrderState.NONE for row in step.legs})
        strategy.asked.append(lambda: strategy.place_list(step.contingency, legs))
    elif step.do == "bracket":
        entry = Leg(side=Side[step.side], qty=step.qty, price=price)
        stop, target = prices.of(step.stop), prices.of(step.target)
        assert stop is not None
        assert target is not None
        strategy.states[step.order] = OrderState.NONE
        strategy.asked.append(lambda: strategy.bracket(step.order, entry, stop, target))
    elif step.do == "amend_exits":
        new_stop, new_target = prices.of(step.stop), prices.of(step.target)
        assert new_stop is not None
        assert new_target is not None
        strategy.asked.append(lambda: strategy.move_exits(new_stop, new_target))
    elif step.do == "protect":
        guards = prices.of(step.stop), prices.of(step.target)
        strategy.asked.append(lambda: strategy.guard(*guards))
    elif step.do == "execute":
        strategy.asked.append(lambda: strategy.algo(step.order, step.side, step.qty, price, dict(step.options)))
    elif step.do == "amend":
        strategy.asked.append(lambda: strategy.lessen(step.order, step.qty))
    elif step.do == "replace":
        strategy.states[step.order] = OrderState.NONE
        strategy.asked.append(lambda: strategy.move(step.order, step.qty, price, prices.of(step.trigger)))
    elif step.do == "amend_held":
        strategy.asked.append(lambda: strategy.change_held(step.order, step.qty, price, prices.of(step.trigger)))
    elif step.do == "cancel":
        strategy.asked.append(lambda: strategy.end(step.order))


def words(options: dict[str, Any], prices: Prices) -> dict[str, Any]:
    """Options with prices and enumerations put in for their words."""
    known = {"type": OrderType, "time_in_force": TimeInForce, "trigger_source": TriggerSource}
    return {
        name: prices.of(value) if name in ("trigger", "activation") else known[name][value] if name in known else value
        for name, value in options.items()
    }


def leg_of(row: scenario_module.Leg, prices: Prices) -> Leg:
    """An order of a list in the strategy's words."""
    return Leg(side=Side[row.side], qty=row.qty, price=prices.of(row.price), **words(row.options, prices))


def has_come(strategy: Scripted, step: Step) -> bool:
    """Whether what a step waits for is there."""
    if strategy.asked:
        return False
    if step.do in ("place", "replace") and step.order not in step.then:
        return strategy.states[step.order] in SETTLED
    filled = sum(qty for name, _, qty, _ in strategy.fills if name == CHILD)
    if step.children_fill and filled < Decimal(step.children_fill):
        return False
    return all(strategy.states.get(name) == OrderState[state] for name, state in step.then.items())


def _is_awaited(strategy: Scripted, step: Step) -> bool:
    return not has_come(strategy, step)


# --- in-process and paper: virtual time --------------------------------------------------------------------------------


def play_virtual(root: Path, kind: str, mode: str, scenario: Scenario) -> Scripted:
    """In one process under virtual time; `mode` is "sim" or "paper"."""
    strategy = Scripted()
    shell = still_venue(START_NS)
    prices = prices_of(shell, kind)
    loaded = configure(root, kind, mode)
    key = None if mode == "paper" else credentials()
    latency = Latency(300, 300, 100)
    with Simulation(
        loaded, shell, seed=5, strategies={"scripted": strategy}, latency=latency, credentials=key
    ) as simulation:
        simulation.start()
        for _ in range(NUDGES_MAX):
            if strategy.sees_market:
                break
            simulation.inject(lambda venue, now_ns: nudge(venue, kind, prices, now_ns))
            simulation.run_for(0.2)
        for step in scenario.steps:
            ask(strategy, step, prices)
            if step.do == "market":
                simulation.inject(partial(_move, kind, step, prices))
            simulation.run_while(partial(_is_awaited, strategy, step), VIRTUAL_LIMIT_S)
            simulation.run_for(max(step.wait_ms / 1000, 0.3))
        if mode == "paper":
            assert shell.orders == 0
        simulation.stop()
    return strategy


def _move(kind: str, step: Step, prices: Prices, shell: VenueShell, now_ns: int) -> None:
    price = prices.of(step.price)
    assert price is not None
    trade(shell, kind, step, price, now_ns, step.account)


# --- real sockets ------------------------------------------------------------------------------------------------------


def play_sockets(root: Path, kind: str, scenario: Scenario) -> Scripted:
    """The daemon beside a venue, with sockets between them and the system's clock."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_play_sockets(root, kind, scenario))


async def _play_sockets(root: Path, kind: str, scenario: Scenario) -> Scripted:
    clock = Clock()
    shell = still_venue(clock.time_ns())
    server = VenueServer(shell, clock)
    await server.start("127.0.0.1", Ports(0, 0), None, None)
    loaded = configure(root, kind, "sim", int(server.addresses["rest"]), int(server.addresses["ws"]))
    world = World.live(net=LiveNet())
    journal = daemon_module.open_journal(loaded, world)
    strategy = Scripted()
    found: list[daemon_module.Daemon] = []
    serving = asyncio.create_task(_serve(loaded, world, journal, strategy, found))
    try:
        await _until(lambda: bool(found) and _is_active(found[0]), serving)
        await _play_steps(server, kind, scenario, strategy, serving)
        found[0].submit_command(OperatorCommand(kind=CommandKind.STOP, uid=os.getuid(), reason="played"))
        assert await asyncio.wait_for(serving, LIMIT_S) == 0
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await server.stop()
    return strategy


async def _serve(
    loaded: LoadedConfig, world: World, journal: Any, strategy: Scripted, found: list[daemon_module.Daemon]
) -> int:
    """`engine.daemon.serve`, the daemon kept at hand."""
    original = daemon_module.Daemon

    class Kept(original):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            found.append(self)

    daemon_module.Daemon = Kept  # type: ignore[misc, assignment]
    locks = AccountLocks(lambda _: None)
    try:
        return await daemon_module.serve(loaded, world, journal, {"sim": credentials()}, {"scripted": strategy}, locks)
    finally:
        locks.close()
        daemon_module.Daemon = original  # type: ignore[misc]
        if journal.is_open:
            journal.close(reason="scenario", record_stop=False)


def _is_active(daemon: daemon_module.Daemon) -> bool:
    return bool(daemon.engine.tables.control_state()["trading_state"] == TradingState.ACTIVE)


async def _play_steps(server: VenueServer, kind: str, scenario: Scenario, strategy: Scripted, serving: Any) -> None:
    prices = prices_of(server.shell, kind)
    for _ in range(NUDGES_MAX):
        if strategy.sees_market or serving.done():
            break
        nudge(server.shell, kind, prices, server.begin_turn())
        server.shell.finish()
        await asyncio.sleep(0.05)
    for step in scenario.steps:
        ask(strategy, step, prices)
        if step.do == "market":
            _move(kind, step, prices, server.shell, server.begin_turn())
            server.shell.finish()
        await _until(partial(has_come, strategy, step), serving)
        await asyncio.sleep(max(step.wait_ms / 1000, 0.05))


async def _until(condition: Callable[[], bool], serving: asyncio.Task[int]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            if serving.done():
                raise AssertionError(f"the daemon ended: {serving.result()}")
            await asyncio.sleep(0.005)
