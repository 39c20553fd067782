"""A connection that carries our fills is not replaced inside a wait that the venue asked for: there could be no other yet."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.gateway.keeper import OrderKeeper
from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.net import Connection, NetError, ReconnectPolicy
from engine.venues.binance.usdm_keeper import UsdmKeeper
from engine.venues.binance.usdm_order_session import UsdmOrderSession
from engine.venues.binance.usdm_rest import UsdmRest

S = 1_000_000_000


class Session:
    """An order session that stands; the venue wants quiet for `quiet_s`."""

    is_dead = False
    failure = "dead"
    shutdown_announced = False

    def __init__(self, quiet_s: int) -> None:
        self.quiet_s = quiet_s

    def quiet_ns(self) -> int:
        return self.quiet_s * S


class Standing:
    """A connection; why it was ended."""

    def __init__(self, clock: Clock) -> None:
        self.receiver = SimpleNamespace(last_frame_mono_ns=clock.monotonic_ns())
        self.ended: list[str] = []

    def probe(self, *_times: int) -> None: ...

    def lose(self, reason: str) -> None:
        self.ended.append(reason)


def keepers(session: Session, clock: Clock) -> dict[str, Any]:
    """Who keeps the order connection, and who keeps the futures' private stream."""
    parts: dict[str, Any] = {"net": cast(Any, None), "clock": clock, "pipeline": cast(Pipeline, None)}
    policies = [ReconnectPolicy(random.Random(number)) for number in range(3)]
    usdm = UsdmKeeper(
        **parts, policies=(policies[0], policies[1]), rest=cast(UsdmRest, None), session=cast(UsdmOrderSession, session),
        order_url="", stream_url="", order_options={}, stream_options={},
    )  # fmt: skip
    return {"orders": OrderKeeper(**parts, policy=policies[2], url="", session=session), "private stream": usdm}


@pytest.mark.invariant("R15")
@pytest.mark.invariant("R17")
@pytest.mark.parametrize("which", ["orders", "private stream"])
def test_a_planned_replacement_waits_for_the_end_of_a_retry_after(which: str) -> None:
    clock = Clock.virtual()
    clock.advance(10 * S)
    session, standing = Session(quiet_s=60), Standing(clock)
    keeper = keepers(session, clock)[which]
    began_ns, rotate_ns = clock.monotonic_ns() - 5 * S, clock.monotonic_ns() - 1
    keeper._look_after(cast(Connection, standing), began_ns, rotate_ns)
    assert standing.ended == []
    session.quiet_s = 0
    keeper._look_after(cast(Connection, standing), began_ns, rotate_ns)
    assert standing.ended == ["replaced before the venue ends it"]


@pytest.mark.invariant("R17")
def test_a_session_that_is_dead_is_ended_all_the_same_and_an_announced_shutdown_is_waited_for() -> None:
    clock = Clock.virtual()
    session, standing = Session(quiet_s=60), Standing(clock)
    keeper = keepers(session, clock)["orders"]
    session.shutdown_announced = True
    keeper._look_after(cast(Connection, standing), 0, S)
    assert standing.ended == []
    session.is_dead = True
    keeper._look_after(cast(Connection, standing), 0, S)
    assert standing.ended == ["dead"]


class Dialled:
    """A network that notes what the venue wanted when it was dialled, and does not answer."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.quiet_s: list[int] = []
        self.is_dialled = asyncio.Event()

    async def connect_websocket(self, *_parts: Any, **_options: Any) -> Connection:
        self.quiet_s.append(self.session.quiet_s)
        self.is_dialled.set()
        raise NetError("nobody there")


class Waning(Session):
    """Each look at the wait finds a second less of it, though only a moment has passed."""

    def quiet_ns(self) -> int:
        self.quiet_s = max(0, self.quiet_s - 1)
        return self.quiet_s * 1_000_000


@pytest.mark.invariant("R17")
def test_no_order_connection_is_begun_inside_a_retry_after() -> None:
    session = Waning(quiet_s=20)
    clock = Clock()

    async def scene() -> list[int]:
        net = Dialled(session)
        pipeline = cast(Pipeline, SimpleNamespace(run_to_completion=lambda: None))
        policy = ReconnectPolicy(random.Random(1))
        keeper = OrderKeeper(net=net, clock=clock, pipeline=pipeline, policy=policy, url="", session=session)
        task = asyncio.create_task(keeper.run())
        async with asyncio.timeout(20):
            await net.is_dialled.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return net.quiet_s

    assert asyncio.run(scene()) == [0]
