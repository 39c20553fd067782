"""The test port: one JSON object a line in, one out. It sets the shell's faults and tells what the shell knows.

Commands (``{"cmd": name, ...}``; every reply has ``"ok"``):

- ``status``: connections, frames, requests, orders.
- ``disconnect`` ``kind`` ("stream" | "user" | "ws-api" | "rest" | "all") ``abrupt`` (no close frame): close connections.
- ``drop_order_responses`` ``count``; ``order_error`` ``count`` ``code`` ``executed``; ``delay`` ``ms`` ``orders_only``.
- ``timestamp_errors`` ``count``; ``gap`` ``symbol`` ``count``; ``clock_offset`` ``ms``; ``events_first`` ``on``.
- ``mute_user_events`` ``count``; ``duplicate_user_events`` ``on``.
- ``limits`` ``address`` ``weight_used``; ``ban`` ``address`` ``seconds``.
- ``deposit`` ``account`` ``asset`` ``amount`` (decimal text, may be negative); ``revoke`` ``api_key``.
- ``usdm_deposit`` ``account`` ``amount``: into the futures wallet; ``usdm_status`` ``symbol`` ``status``: of a contract.
- ``expire_listen_key`` ``account``: end it before its hour; ``usdm_account`` ``account``: wallet, positions, orders.
- ``frames``: write the frame log out; ``shutdown_notice``: send serverShutdown; ``reset``: clear every fault.
- ``account`` ``account``: balances and open orders, as the core has them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.sim.decimals import parse_e8
from engine.sim.reject import VenueReject
from engine.sim.wire import order_json
from engine.sim.wire.faults import Faults, OrderError
from engine.sim.wire.publisher import SECOND_NS
from engine.sim.wire.shell import VenueShell
from engine.sim.wire.usdm.admin_commands import Command, usdm_commands

Arguments = dict[str, Any]


class AdminSession:
    """One admin connection: lines in, lines out."""

    def __init__(self, shell: VenueShell) -> None:
        self._shell = shell
        self._buffer = b""
        self._commands: dict[str, Command] = {
            "status": self._status,
            "disconnect": self._disconnect,
            "drop_order_responses": self._drop,
            "order_error": self._order_error,
            "delay": self._delay,
            "timestamp_errors": self._timestamp_errors,
            "gap": self._gap,
            "clock_offset": self._clock_offset,
            "events_first": self._events_first,
            "mute_user_events": self._mute,
            "duplicate_user_events": self._duplicate,
            "limits": self._limits,
            "ban": self._ban,
            "deposit": self._deposit,
            "revoke": self._revoke,
            "frames": self._frames,
            "shutdown_notice": self._shutdown_notice,
            "reset": self._reset,
            "account": self._account,
            **usdm_commands(shell),
        }

    def on_bytes(self, data: bytes, now_ns: int) -> bytes:
        """Take received bytes; return the replies to every whole line."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return b"".join(self._answer(line, now_ns) + b"\n" for line in lines if line.strip())

    def _answer(self, line: bytes, now_ns: int) -> bytes:
        try:
            request = msgspec.json.decode(line, type=dict[str, Any])
            command = self._commands.get(request.pop("cmd", ""))
            if command is None:
                raise ValueError("cmd must be one of " + ", ".join(self._commands))
            reply = command(request, now_ns)
        except KeyError as error:
            return _refusal(f"missing argument {error}")
        except (msgspec.DecodeError, ValueError, TypeError, VenueReject) as error:
            return _refusal(str(error))
        return msgspec.json.encode({"ok": True, **reply})

    def _status(self, _arguments: Arguments, _now_ns: int) -> dict[str, object]:
        kinds = [session.kind for session in self._shell.sessions]
        return {
            "connections": {kind: kinds.count(kind) for kind in ("stream", "ws-api", "rest", "user")},
            "frames": self._shell.frame_log.frames,
            "frame_bytes": self._shell.frame_log.bytes,
            "requests": self._shell.requests,
            "orders": self._shell.orders,
        }

    def _disconnect(self, arguments: Arguments, _now_ns: int) -> dict[str, object]:
        kind = str(arguments.get("kind", "all"))
        return {"closed": self._shell.disconnect(kind, bool(arguments.get("abrupt", False)))}

    def _drop(self, arguments: Arguments, _now_ns: int) -> dict[str, object]:
        self._shell.faults.drop_order_responses = int(arguments["count"])
        return {}

    def _order_error(self, arguments: Arguments, _now_ns: int) -> dict[str, object]:
        executed = bool(arguments.get("executed", True))
        self._shell.faults.order_error = OrderError(int(arguments["count"]), int(arguments["code"]), executed)
        return {}

    def _delay(self, arguments: Arguments, _now_ns: int) -> dict[str, object]:
        self._shell.faults.delay_ms = int(arguments["ms"])
        self._shell.faults.delay_orders_only = bool(arguments.get("orders_only", False))
        return {}

    def _timestamp_errors(self, arguments: Arguments, _now_ns: int) -> dict[str, object]:
        self._shell.faults.timestamp_errors = int(arguments["count"])
        return {}

    def _gap(self, arguments: Arguments, _now_ns: int) -> dict[str, object]:
        symbol = str(arguments["symbol"])
        self._shell.core.rules(symbol)
        self._shell.faults.gaps[symbol] = int(arguments.get("count", 1))
        return {}

    def _clock_offset(self, arguments: Arguments, _now_ns: int) -> dict[str, object]:
        self._shell.faults.clock_offset_ms = int(arguments["ms"])
        return {}

    def _events_first(self, arguments: Arguments, _now_ns: int) -> dict[str, object]:
        self._shell.faults.events_first = bool(arguments.get("on", True))
        return {}

    def _mute(self, arguments: Arguments, _now_ns: int) -> dict[str, object]:
        self._shell.faults.mute_user_events = int(arguments["count"])
        return {}

    def _duplicate(self, arguments: Arguments, _now_ns: int) -> dict[str, object]:
        self._shell.faults.duplicate_user_events = bool(arguments.get("on", True))
        return {}

    def _limits(self, arguments: Arguments, now_ns: int) -> dict[str, object]:
        address = self._shell.limits.address(str(arguments.get("address", "127.0.0.1")))
        address.roll(now_ns)
        address.weight.count = int(arguments["weight_used"])
        return {}

    def _ban(self, arguments: Arguments, now_ns: int) -> dict[str, object]:
        address = self._shell.limits.address(str(arguments.get("address", "127.0.0.1")))
        address.ban(now_ns + int(arguments["seconds"]) * SECOND_NS)
        return {}

    def _deposit(self, arguments: Arguments, now_ns: int) -> dict[str, object]:
        amount = str(arguments["amount"])
        size_e8 = parse_e8(amount.removeprefix("-"), "amount")
        amount_e8 = -size_e8 if amount.startswith("-") else size_e8
        self._shell.core.deposit(int(arguments["account"]), str(arguments["asset"]), amount_e8, now_ns)
        return {}

    def _revoke(self, arguments: Arguments, now_ns: int) -> dict[str, object]:
        self._shell.revoke(str(arguments["api_key"]), now_ns)
        return {}

    def _frames(self, _arguments: Arguments, _now_ns: int) -> dict[str, object]:
        self._shell.frame_log.flush()
        return {"frames": self._shell.frame_log.frames}

    def _shutdown_notice(self, _arguments: Arguments, now_ns: int) -> dict[str, object]:
        self._shell.shut_down(now_ns)
        return {}

    def _reset(self, _arguments: Arguments, _now_ns: int) -> dict[str, object]:
        fresh = Faults()
        for name in Faults.__dataclass_fields__:
            setattr(self._shell.faults, name, getattr(fresh, name))
        return {}

    def _account(self, arguments: Arguments, _now_ns: int) -> dict[str, object]:
        account_id = int(arguments["account"])
        orders = [order_json.order_row(row, 1_000_000) for row in self._shell.core.open_orders(account_id)]
        state = order_json.account(self._shell.core.account(account_id), True, 1_000_000)
        return {"account": msgspec.Raw(state), "open_orders": [msgspec.Raw(row) for row in orders]}


def _refusal(text: str) -> bytes:
    return msgspec.json.encode({"ok": False, "error": text})
