"""How a schedule's event happens: at the venue, on the way, in the machine, or by an operator."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec

from engine.control.messages import ScopeKind
from engine.hunt.place import OTHERS, OURS
from engine.hunt.readers import BATCH
from engine.hunt.schedule import Event
from engine.model.codes import CommandKind, OrderType, PositionSide, Side, TimeInForce
from engine.sim.records import OrderRequest
from engine.sim.reject import VenueReject
from engine.sim.usdm.records import UsdmOrderRequest
from engine.sim.wire import fault_commands, fault_desk
from engine.sim.wire.shell import VenueShell

if TYPE_CHECKING:
    from engine.hunt.run import Hunt

E8 = 100_000_000
NS_PER_S = 1_000_000_000
ARMED = {name for name, kind in fault_commands.VERBS.items() if issubclass(kind, fault_commands.Fault)}
ADDRESS = "in-process"
PERSONS_ORDER = {"BTCUSDT": 2_000_000, "ETHUSDT": 40_000_000}


def happen(hunt: Hunt, event: Event) -> None:
    """Let an event happen now. What needs an engine does nothing while there is none."""
    if event.family in ("orders", "conduct"):
        if hunt.life is not None:
            hunt.life.trader.ask(event.what, int(event.args["roll"]))
    elif (own := OWN.get(f"{event.family}.{event.what}")) is not None:
        own(hunt, event.args)
    elif event.family == "port":
        hunt.deed(event.what, int(event.args["roll"]))
    elif event.family == "commands":
        command(hunt, event.what, event.args)
    else:
        venue_fault(hunt, event.what, event.args)


def venue_fault(hunt: Hunt, verb: str, args: dict[str, Any]) -> None:
    """What the venue's own test port knows."""
    words = {"cmd": verb, **args}
    if "roll" in words:
        words["symbol"] = random.Random(words.pop("roll")).choice(hunt.schedule.symbols)
    if verb in ("half_open", "drop") and words["kind"] == "user" and hunt.shell.usdm is None:
        words["kind"] = "ws-api"  # own events come over the order connection: what one loses, the other loses
    if verb in ("limited", "timestamp_errors", "gap"):
        words.setdefault("for_s", 20)
    if verb == "bad_book":
        hunt.flaw(str(words["symbol"]), 15.0)
        hunt.counts[f"flaw {words['flaw']}"] += 1
    asked = fault_commands.decode(msgspec.json.encode(words))
    hunt.at_venue(lambda shell, now_ns: fault_desk.obey(shell, asked, now_ns))


def weight_used(hunt: Hunt, args: dict[str, Any]) -> None:
    """Somebody else at our address has used much of the weight."""

    def use(shell: VenueShell, now_ns: int) -> None:
        for address in shell.addresses(ADDRESS):
            address.roll(now_ns)
            address.weight.count = max(address.weight.count, int(address.weight.limit * args["share"]))

    hunt.others_weight = True
    hunt.at_venue(use)


# --- operators ---


def command(hunt: Hunt, what: str, args: dict[str, Any]) -> None:
    """A person's command, and what the person does about it afterwards."""
    life = hunt.life
    if life is None or not life.is_wired:
        return
    dice = random.Random(args["roll"])
    symbol = dice.choice(hunt.schedule.symbols)
    row = life.engine.tables.instrument_id(life.engine.lines[0].venue_id, symbol)
    scope = {"instrument_id": row, "scope_kind": ScopeKind.INSTRUMENT}
    strategy = {"strategy_id": life.engine.strategy_ids["trader"], "scope_kind": ScopeKind.STRATEGY}
    plain: dict[str, tuple[CommandKind, dict[str, Any]]] = {
        "kill": (CommandKind.KILL, {}),
        "kill_symbol": (CommandKind.KILL, scope),
        "kill_strategy": (CommandKind.KILL, strategy),
        "pause": (CommandKind.PAUSE, strategy),
        "flatten": (CommandKind.FLATTEN, scope),
        "reconcile": (CommandKind.RECONCILE, {}),
        "cancel": (CommandKind.CANCEL, scope),
    }
    if what == "order":
        persons_order(hunt, dice, symbol, row)
    elif what in plain:
        kind, fields = plain[what]
        hunt.told(what, life.submit_by_person(kind, **fields), fields)
        after = {"kill": (CommandKind.ARM, {}), "kill_symbol": (CommandKind.ARM, scope),
                 "kill_strategy": (CommandKind.ARM, strategy), "pause": (CommandKind.RESUME, strategy)}.get(what)  # fmt: skip
        if after is not None:
            hunt.in_a_while(args["after_s"], lambda: hunt.person_says(*after))


def persons_order(hunt: Hunt, dice: random.Random, symbol: str, row: int) -> None:
    """An operator's own order, with a handle of its own."""
    life = hunt.life
    assert life is not None
    tables = life.engine.tables
    market = tables.market(row)
    lot_e8 = tables.instrument(row)["lot_size_e8"]
    side = dice.choice((Side.BUY, Side.SELL))
    price_ticks = market["best_bid_ticks"] if side is Side.BUY else market["best_ask_ticks"]
    held = dice.choice((PositionSide.LONG, PositionSide.SHORT)) if is_hedged(hunt) else PositionSide.BOTH
    if price_ticks and (handle := life.handle_of_person()):
        life.submit_by_person(
            CommandKind.ORDER, instrument_id=row, scope_kind=ScopeKind.INSTRUMENT, order_handle=handle, side=side,
            order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, price_ticks=price_ticks,
            qty_lots=PERSONS_ORDER[symbol] // lot_e8, position_side=held,
        )  # fmt: skip


def is_hedged(hunt: Hunt) -> bool:
    """Does the account keep a long and a short position of each symbol apart."""
    return hunt.shell.usdm is not None and hunt.shell.usdm.core.position_mode(OURS)


# --- other programs on the account, other traders ---


def foreign_order(hunt: Hunt, args: dict[str, Any]) -> None:
    """Another program trades on our account."""
    trade(hunt, args, OURS, "foreign")


def take_ours(hunt: Hunt, args: dict[str, Any]) -> None:
    """Another trader sweeps through the book, and what we have there."""
    trade(hunt, args, OTHERS, "sweep")


def trade(hunt: Hunt, args: dict[str, Any], account: int, name: str) -> None:
    """One order of an account, without going through any interface."""
    dice = random.Random(args["roll"])
    symbol, side = dice.choice(hunt.schedule.symbols), dice.choice(("BUY", "SELL"))
    qty_e8 = PERSONS_ORDER[symbol] * (1 if account == OURS else dice.choice((20, 60)))

    def place(shell: VenueShell, now_ns: int) -> None:
        core: Any = shell.core if shell.usdm is None else shell.usdm.core
        top = core.book_ticker(symbol)
        price_e8 = (
            (top.ask_price_e8 if side == "BUY" else top.bid_price_e8) * (1_001 if side == "BUY" else 999) // 1_000
        )
        price_e8 -= price_e8 % core.rules(symbol).tick_e8
        fields: dict[str, Any] = {
            "symbol": symbol, "side": side, "type": "LIMIT", "time_in_force": "IOC", "quantity_e8": qty_e8,
            "price_e8": price_e8, "client_order_id": f"{name}-{args['roll']}",
        }  # fmt: skip
        if account == OURS and is_hedged(hunt):
            fields["position_side"] = dice.choice(("LONG", "SHORT"))
        try:
            core.place(account, OrderRequest(**fields) if shell.usdm is None else UsdmOrderRequest(**fields), now_ns)
        except VenueReject:
            return

    hunt.at_venue(place)


def deposit(hunt: Hunt, args: dict[str, Any]) -> None:
    """Money comes to the account from outside."""
    amount_e8 = random.Random(args["roll"]).randint(1, 500) * E8

    def pay(shell: VenueShell, now_ns: int) -> None:
        if shell.usdm is None:
            shell.core.deposit(OURS, "USDT", amount_e8, now_ns)
        else:
            shell.usdm.core.deposit(OURS, amount_e8, now_ns)

    hunt.at_venue(pay)


# --- the machine ---


def step_clock(hunt: Hunt, args: dict[str, Any]) -> None:
    """The wall clock is set, and set back later."""
    delta_ns = int(args["ms"]) * 1_000_000
    hunt.step_clock(delta_ns)
    hunt.in_a_while(args["for_s"], lambda: hunt.step_clock(-delta_ns))


def drift_clock(hunt: Hunt, args: dict[str, Any]) -> None:
    """The wall clock runs fast or slow for a while; then it is put right."""
    steps = int(args["for_s"])
    step_ns = int(args["ppm"]) * 1_000
    for second in range(1, steps + 1):
        hunt.in_a_while(second, lambda: hunt.step_clock(step_ns))
    hunt.in_a_while(steps + 1, lambda: hunt.step_clock(-step_ns * steps))


def stall_engine(hunt: Hunt, args: dict[str, Any]) -> None:
    """The engine's process does nothing for a while (stopped, or starved); everything that came in waits."""
    if hunt.life is not None:
        hunt.clock.advance(int(args["ms"]) * 1_000_000)
        hunt.stalled(int(args["ms"]))


def fail_disk(hunt: Hunt, args: dict[str, Any]) -> None:
    """One of the next writes of the journal fails; a person restarts the engine soon after."""
    life = hunt.life
    if life is not None:
        life.journal.set_fault(args["mode"], life.journal.io_count + int(args["ahead"]), int(args["code"]))
        hunt.in_a_while(args["restart_s"], lambda: hunt.restart_failed(life))


def write_short(hunt: Hunt, args: dict[str, Any]) -> None:
    """One of the next writes takes only a part of what it was given."""
    if hunt.life is not None:
        journal = hunt.life.journal
        journal.set_fault("short", journal.io_count + int(args["ahead"]), 0)
        hunt.reached("short write")


def hold_syncs(hunt: Hunt, args: dict[str, Any]) -> None:
    """The disk keeps every sync for itself for a while."""
    life = hunt.life
    if life is None or life.is_dead:
        return
    life.holds += 1
    life.journal.hold_disk(True)
    hunt.reached("disk stalled", int(args["ms"]) > life.loaded.config.journal.order_wait_ms_max)
    hunt.in_a_while(int(args["ms"]) / 1_000, life.let_go_of_disk)


def cut_power(hunt: Hunt, args: dict[str, Any]) -> None:
    """The machine goes dark."""
    hunt.power_cut(int(args["roll"]), float(args["down_s"]))


def crash(when: str) -> Any:
    """The engine is killed at an instant: now, or at one of the next orders."""

    def strike(hunt: Hunt, args: dict[str, Any]) -> None:
        hunt.kill(when, float(args["down_s"]), int(args["count"]))

    return strike


def restart_venue(hunt: Hunt, args: dict[str, Any]) -> None:
    """Every connection breaks, user streams end, and for a while nothing answers."""
    hunt.at_venue(lambda shell, now_ns: shell.end_user_streams(now_ns))
    hunt.at_venue(lambda shell, _now_ns: shell.disconnect("all", abrupt=True))
    hunt.refuse("all", float(args["for_s"]))


def refuse(hunt: Hunt, args: dict[str, Any]) -> None:
    """No new connection is taken for a while."""
    hunt.refuse(args["kind"], float(args["for_s"]))


# --- the desk ---


def stall_part(hunt: Hunt, args: dict[str, Any]) -> None:
    """A part of the desk does nothing for a while."""
    hunt.desk.stall(args["part"], float(args["for_s"]))


def slow_reader(hunt: Hunt, args: dict[str, Any]) -> None:
    """A reader takes few records at a time, so that it falls behind."""
    reader = getattr(hunt.desk, args["part"])
    batch, reader.batch = reader.batch, int(args["batch"])
    hunt.reached("reader falls behind")
    hunt.in_a_while(float(args["for_s"]), lambda: vars(reader).update(batch=max(batch, BATCH)))


def kill_in_batch(hunt: Hunt, args: dict[str, Any]) -> None:
    """A reader is killed between its use of a batch and its commit; the recorder around its own."""
    if args["part"] == "recorder":
        hunt.desk.recorder.dies = args["when"]
    else:
        getattr(hunt.desk, args["part"]).dies_before_commit += 1


def expire_tape(hunt: Hunt, args: dict[str, Any]) -> None:
    """Retention deletes old tape."""
    hunt.desk.expire(float(args["keep_s"]))


def kill_desk(hunt: Hunt, args: dict[str, Any]) -> None:
    """The desk's process is killed."""
    hunt.desk.kill(float(args["down_s"]))


def receiver_wrong(hunt: Hunt, args: dict[str, Any]) -> None:
    """A receiver of alarms is slow, fails, refuses, is lost, or takes a message and does not say so."""
    hunt.reached(f"receiver {args['fault'].replace('_', ' ')}")
    receiver = hunt.desk.receivers[args["channel"]]
    receiver.go_wrong(args["fault"], float(args["for_s"]), float(args["latency_s"]), int(args["retry_after_s"]))


def acknowledge(hunt: Hunt, _args: dict[str, Any]) -> None:
    """A person acknowledges what stands."""
    hunt.desk.acknowledge()


OWN: dict[str, Any] = {
    "readers.stall": stall_part,
    "readers.slow": slow_reader,
    "readers.kill_in_batch": kill_in_batch,
    "readers.expire": expire_tape,
    "readers.kill": kill_desk,
    "receivers.wrong": receiver_wrong,
    "receivers.stall": stall_part,
    "receivers.kill": kill_desk,
    "receivers.acknowledge": acknowledge,
    "limits.limits": weight_used,
    "others.order": foreign_order,
    "others.take": take_ours,
    "others.deposit": deposit,
    "clocks.step": step_clock,
    "clocks.drift": drift_clock,
    "stalls.engine": stall_engine,
    "disks.fail": fail_disk,
    "disks.short": write_short,
    "disks.power_cut": cut_power,
    "syncs.held": hold_syncs,
    "crashes.now": crash("now"),
    "crashes.before_send": crash("before_send"),
    "crashes.after_send": crash("after_send"),
    "crashes.after_answer": crash("after_answer"),
    "venue.restart": restart_venue,
    "venue.refuse": refuse,
}
