"""Keeps what a USD-M account needs at once: the order connection, the private stream with its listen key, and REST for the session.

A listen key lives an hour and is renewed every minute; the venue may end it at any time, with or without the connection, by the
event listenKeyExpired. The session then stops opening orders in that turn; a new key and a new connection are made here at once.
Source: Binance USD-M futures documentation, "User Data Streams", "Websocket API", "Connect".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from engine.gateway.keeper import Net, OrderKeeper
from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.net import Connection, NetError, ReconnectPolicy
from engine.venues.binance.rest_market import VenueError
from engine.venues.binance.usdm_order_session import UsdmOrderSession, UsdmUserSession
from engine.venues.binance.usdm_rest import UsdmRest

NS_PER_S = 1_000_000_000
POLL_S = 0.02
# half an hour would keep it alive; asked this often, a key whose end was not heard of is found dead before long
KEY_RENEW_S = 60.0
KEY_RETRY_S = 30.0
TIME_RETRY_S = 0.25
# the venue pings every three minutes; we ask ourselves much sooner whether a silent connection lives
SILENT_AFTER_S = 420.0
PING_AFTER_S = 15.0
PROVEN_AFTER_S = 10.0


class UsdmKeeper:
    """`run` until cancelled; `last_error` says why the latest attempt failed."""

    def __init__(
        self,
        *,
        net: Net,
        clock: Clock,
        pipeline: Pipeline,
        policies: tuple[ReconnectPolicy, ReconnectPolicy],
        rest: UsdmRest,
        session: UsdmOrderSession,
        order_url: str,
        stream_url: str,
        order_options: Mapping[str, Any],
        stream_options: Mapping[str, Any],
        key_renew_s: float = KEY_RENEW_S,
    ) -> None:
        self._net = net
        self._clock = clock
        self._pipeline = pipeline
        self._policy = policies[1]
        self._rest = rest
        self._session = session
        self._stream_url = stream_url.rstrip("/")
        self._stream_options = {**stream_options, "ping_after_s": PING_AFTER_S, "run_each_frame": True}
        self._key_renew_s = key_renew_s
        self._wanted = asyncio.Event()
        self._orders = OrderKeeper(
            net=net, clock=clock, pipeline=pipeline, policy=policies[0], url=order_url, session=session,
            connect_options={**order_options, "ping_after_s": PING_AFTER_S}, silent_after_s=SILENT_AFTER_S,
        )  # fmt: skip
        self._stream_error = ""

    @property
    def last_error(self) -> str:
        """Why the latest attempt failed: of the order connection, else of the private stream or of REST."""
        return self._orders.last_error or self._stream_error

    async def run(self) -> None:
        """Keep all three until cancelled; a fault of ours ends all of them."""
        self._session.on_wish(self._wanted.set)
        jobs = (self._orders.run(), self._serve_rest(), self._keep_stream())
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # --- REST for the session ---

    async def _serve_rest(self) -> None:
        """One request after the other: the session asks for the next only when the last was answered."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while (wish := self._session.take_wish()) is not None:
                token, path, params = wish
                await (self._ask(token, path, params) if token else self._ask_time(path))
                self._pipeline.run_to_completion()

    async def _ask(self, token: int, path: str, params: dict[str, Any]) -> None:
        """No answer is an answer too: the reconciliation ends as failed and begins again."""
        sent_mono_ns = self._clock.monotonic_ns()
        try:
            response = await self._rest.fetch(path, params)
        except NetError as error:
            self._stream_error = str(error)
            self._session.put_reply(token, 0, b"", sent_mono_ns)
            return
        weight = response.headers.get("x-mbx-used-weight-1m", "")
        self._session.put_reply(
            token,
            response.status,
            response.body,
            sent_mono_ns,
            used_weight=int(weight) if weight.isdigit() else -1,
            retry_after_s=response.retry_after_s or 0.0,
        )

    async def _ask_time(self, path: str) -> None:
        """The venue's clock, for the session and for what REST signs; a wait for quiet is no part of the round trip."""
        sent_mono_ns = self._clock.monotonic_ns()

        def on_leave() -> None:
            nonlocal sent_mono_ns
            sent_mono_ns = self._clock.monotonic_ns()

        try:
            response = await self._rest.fetch(path, {}, is_signed=False, on_leave=on_leave)
        except NetError as error:
            self._stream_error = str(error)
            await asyncio.sleep(TIME_RETRY_S)
            self._session.wish_time_again()
            return
        self._session.put_time(response.body, response.status, sent_mono_ns)
        if response.status == 200:
            self._rest.offset_ns = self._session.offset_ns
        else:
            await asyncio.sleep(TIME_RETRY_S)
            self._session.wish_time_again()

    # --- the private stream ---

    async def _keep_stream(self) -> None:
        """Connection after connection; one whose key the venue ended is followed at once."""
        while True:
            is_expired = False
            try:
                is_expired = await self._keep_one()
            except (NetError, VenueError) as error:
                self._stream_error = str(error)
            self._pipeline.run_to_completion()
            await asyncio.sleep(0.0 if is_expired else self._policy.next_delay_s())

    async def _keep_one(self) -> bool:
        """A key, a connection, until either ends; True where the venue ended the key."""
        key = await self._rest.start_listen_key()
        url = f"{self._stream_url}/private/ws?listenKey={quote(key, safe='')}"
        user = UsdmUserSession("user", self._session)
        connection = await self._net.connect_websocket(user, self._pipeline, self._clock, url, **self._stream_options)
        self._pipeline.run_to_completion()
        began_ns = self._clock.monotonic_ns()
        rotate_ns = began_ns + int(self._policy.rotate_after_s() * NS_PER_S)
        renew_ns = began_ns + int(self._key_renew_s * NS_PER_S)
        try:
            while not connection.closed.done() and not user.is_expired:
                await asyncio.wait([connection.closed], timeout=POLL_S)
                self._look_after(connection, began_ns, rotate_ns)
                if self._clock.monotonic_ns() >= renew_ns and not user.is_expired:
                    renew_ns = self._clock.monotonic_ns() + int(await self._renew(connection) * NS_PER_S)
        finally:
            if not connection.closed.done():
                connection.lose("the listen key has ended" if user.is_expired else "the keeper stops")
        if connection.closed.done():
            self._stream_error = connection.closed.result()
        return bool(user.is_expired)

    async def _renew(self, connection: Connection) -> float:
        """Begin the key's hour again; returns when to do it next. A key that the venue no longer knows ends the connection."""
        try:
            if not await self._rest.keep_listen_key():
                connection.lose("the venue no longer knows the listen key")
        except (NetError, VenueError) as error:
            self._stream_error = str(error)
            return KEY_RETRY_S
        return self._key_renew_s

    def _look_after(self, connection: Connection, began_ns: int, rotate_ns: int) -> None:
        now_ns = self._clock.monotonic_ns()
        silent_ns = now_ns - connection.receiver.last_frame_mono_ns
        if silent_ns > SILENT_AFTER_S * NS_PER_S:
            connection.lose(f"silent for {silent_ns // NS_PER_S} s")
        elif now_ns > rotate_ns and self._session.quiet_ns() <= 0:
            # inside a wait that the venue asked for there is no key for another one
            connection.lose("replaced before the venue ends it")
        elif now_ns - began_ns > PROVEN_AFTER_S * NS_PER_S:
            self._policy.reset()
