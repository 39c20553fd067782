"""Carries commands out on the shell: arms faults, lets those with ``at_s`` wait, does at once what is no lasting fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from engine.sim.decimals import parse_e8
from engine.sim.reject import VenueReject
from engine.sim.wire import fault_commands as commands
from engine.sim.wire import order_json
from engine.sim.wire.faults import SECOND_NS
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.usdm import desk

Reply = dict[str, object]


def obey(shell: VenueShell, command: commands.Command, now_ns: int) -> Reply:
    """Carry one command out, or note when it will be. Raises ``ValueError`` or ``VenueReject`` for what cannot be."""
    _check(shell, command)
    if command.at_s:
        generation = shell.faults.generation
        shell.later(now_ns + int(command.at_s * SECOND_NS), lambda: _obey_later(shell, command, generation))
        return {"begins_in_s": command.at_s}
    if isinstance(command, commands.Fault):
        shell.faults.arm(command, now_ns, shell.connections)
        return {}
    return ACTIONS[type(command)](shell, command, now_ns)


def _obey_later(shell: VenueShell, command: commands.Command, generation: int) -> None:
    if generation == shell.faults.generation:
        obey(shell, msgspec.structs.replace(command, at_s=0.0), shell.now_ns)


def begin_plan(shell: VenueShell, plan: Sequence[commands.Command]) -> None:
    """Arm the plan of a configuration. Raises ``ValueError`` naming the entry that cannot be carried out."""
    for number, command in enumerate(plan, 1):
        try:
            obey(shell, command, shell.now_ns)
        except (VenueReject, ValueError) as error:
            raise ValueError(f"faults.plan entry {number} ({command.verb()}): {error}") from error


def _check(shell: VenueShell, command: commands.Command) -> None:
    """What only the venue knows: its symbols, accounts and keys, and which verbs there are."""
    symbol = getattr(command, "symbol", None)
    futures = shell.usdm.core.symbols() if shell.usdm is not None else ()
    there_are = sorted({*shell.publisher.symbols, *futures})
    if symbol is not None and symbol not in there_are:
        raise ValueError(f"symbol {symbol!r} is not traded here (Invalid symbol); {_named(there_are)}")
    _check_account(shell, getattr(command, "account", None))
    if isinstance(command, commands.Revoke) and shell.core.key(command.api_key) is None:
        raise ValueError(f"api_key: no account of this venue has the key {command.api_key!r}")
    if isinstance(command, commands.Reset) and command.only not in ("", *commands.VERBS):
        raise ValueError(f"only: {command.only!r} is no verb; {_named(commands.VERBS)}")


def _check_account(shell: VenueShell, account_id: int | None) -> None:
    if account_id is None:
        return
    try:
        shell.core.account(account_id)
    except KeyError as error:
        raise ValueError(f"{error.args[0]}; they are numbered from 1 as the configuration has them") from error


def _named(names: Iterable[str]) -> str:
    return "there are " + ", ".join(names)


def _status(shell: VenueShell, _command: commands.Status, now_ns: int) -> Reply:
    kinds = [session.kind for session in shell.sessions]
    return {
        "connections": {kind: kinds.count(kind) for kind in sorted({"stream", "ws-api", "rest", *kinds})},
        "frames": shell.frame_log.frames,
        "frame_bytes": shell.frame_log.bytes,
        "requests": shell.requests,
        "orders": shell.orders,
        "limits": shell.limits.rows(),
        **({} if shell.usdm is None else {"usdm_limits": shell.usdm.limits.rows()}),
        "faults": shell.faults.status(now_ns),
    }


def _disconnect(shell: VenueShell, command: commands.Disconnect, _now_ns: int) -> Reply:
    return {"closed": shell.disconnect(command.kind, command.abrupt)}


def _end_user_streams(shell: VenueShell, _command: commands.EndUserStreams, now_ns: int) -> Reply:
    return {"ended": shell.end_user_streams(now_ns)}


def _shutdown_notice(shell: VenueShell, _command: commands.ShutdownNotice, now_ns: int) -> Reply:
    shell.shut_down(now_ns)
    return {}


def _clock_step(shell: VenueShell, command: commands.ClockStep, _now_ns: int) -> Reply:
    shell.faults.stepped_ms += command.ms
    return {"clock_offset_ms": shell.faults.clock_offset_ms}


def _limits(shell: VenueShell, command: commands.LimitsUsed, now_ns: int) -> Reply:
    for address in shell.addresses(command.address):
        address.roll(now_ns)
        address.weight.count = command.weight_used
    return {}


def _ban(shell: VenueShell, command: commands.Ban, now_ns: int) -> Reply:
    shell.limits.address(command.address).ban(now_ns + command.seconds * SECOND_NS)
    return {}


def _deposit(shell: VenueShell, command: commands.Deposit, now_ns: int) -> Reply:
    size_e8 = parse_e8(command.amount.removeprefix("-"), "amount")
    amount_e8 = -size_e8 if command.amount.startswith("-") else size_e8
    shell.core.deposit(command.account, command.asset, amount_e8, now_ns)
    return {}


def _revoke(shell: VenueShell, command: commands.Revoke, now_ns: int) -> Reply:
    shell.revoke(command.api_key, now_ns)
    return {}


def _account(shell: VenueShell, command: commands.Account, _now_ns: int) -> Reply:
    orders = [order_json.order_row(row, 1_000_000) for row in shell.core.open_orders(command.account)]
    state = order_json.account(shell.core.account(command.account), True, 1_000_000)
    return {"account": msgspec.Raw(state), "open_orders": [msgspec.Raw(row) for row in orders]}


def _frames(shell: VenueShell, _command: commands.Frames, _now_ns: int) -> Reply:
    shell.frame_log.flush()
    return {"frames": shell.frame_log.frames}


def _reset(shell: VenueShell, command: commands.Reset, _now_ns: int) -> Reply:
    shell.faults.clear(command.only)
    return {}


ACTIONS: dict[type[commands.Command], Callable[[VenueShell, Any, int], Reply]] = {
    commands.Status: _status,
    commands.Disconnect: _disconnect,
    commands.EndUserStreams: _end_user_streams,
    commands.ShutdownNotice: _shutdown_notice,
    commands.ClockStep: _clock_step,
    commands.LimitsUsed: _limits,
    commands.Ban: _ban,
    commands.Deposit: _deposit,
    commands.UsdmDeposit: desk.deposit,
    commands.UsdmStatus: desk.set_status,
    commands.UsdmAccount: desk.account,
    commands.Revoke: _revoke,
    commands.Account: _account,
    commands.Frames: _frames,
    commands.Reset: _reset,
}
