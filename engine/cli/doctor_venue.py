"""The doctor's look at a venue: reachable, trusted, its clock against ours, its symbols."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.cli.doctor_checks import Check, fail, ok, warn
from engine.cli.doctor_guard import feeding
from engine.config import LoadedConfig
from engine.config_schema import VenueSection

if TYPE_CHECKING:
    from engine.venues.binance.rest_market import RestMarket
    from engine.venues.binance.usdm_rest import UsdmRest

TIMEOUT_S = 5.0


def venues(loaded: LoadedConfig) -> Iterator[Check]:
    """Every configured venue."""
    for name, venue in loaded.config.venue.items():
        is_paper = loaded.config.engine.mode == "paper"
        yield from asyncio.run(venue_checks(name, venue, loaded.config.risk.clock_drift_ms_max, is_paper=is_paper))


async def venue_checks(name: str, venue: VenueSection, drift_ms_max: int, *, is_paper: bool = False) -> list[Check]:
    """One venue: its WebSocket addresses first, then REST. Paper has no order API to reach and no account to look at."""
    urls = socket_urls(venue)[:1] if is_paper else socket_urls(venue)
    found = [await port_check(f"{name} {what}", url, venue.tls_ca) for what, url in urls]
    return [*found, *await rest_checks(name, venue, drift_ms_max, has_account=not is_paper)]


def socket_urls(venue: VenueSection) -> list[tuple[str, str]]:
    """The two WebSocket addresses."""
    return [("market stream", venue.stream_url), ("order API", venue.ws_api_url)]


async def port_check(name: str, url: str, tls_ca: str | None) -> Check:
    """Can the address be connected to, and is its certificate trusted."""
    from engine.runtime.net import NetError, explain, tls_context

    parts = urlsplit(url)
    is_tls = parts.scheme == "wss"
    try:
        context = tls_context(tls_ca) if is_tls else None
        async with asyncio.timeout(TIMEOUT_S):
            port = parts.port or (443 if is_tls else 80)
            _, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    except NetError as error:
        return fail(name, str(error), "mend tls_ca")
    except OSError as error:
        return fail(name, str(explain(url, error)), "check the address, the network and the firewall")
    return ok(name, f"{url} answers" + (", certificate trusted" if is_tls else ""))


async def rest_checks(name: str, venue: VenueSection, drift_ms_max: int, *, has_account: bool = True) -> list[Check]:
    """The venue's time against ours, and whether it trades the symbols."""
    from engine.runtime.clock import Clock
    from engine.runtime.net import HttpClient, NetError, tls_context
    from engine.venue_kinds import kind_of
    from engine.venues.binance.rest_market import VenueError

    try:
        tls = tls_context(venue.tls_ca) if venue.rest_url.startswith("https") else None
        http = HttpClient(venue.rest_url, tls=tls, timeout_s=TIMEOUT_S)
    except NetError as error:
        return [fail(f"{name} REST", str(error), "mend tls_ca")]
    market = kind_of(venue.kind).rest(http, Clock())
    try:
        sample = await market.best_server_time()
        return [
            drift_check(name, sample.offset_ns, sample.error_ns, drift_ms_max),
            await symbol_check(name, venue, market),
            *feeding(name, venue, market.rate_limits["REQUEST_WEIGHT", "MINUTE"]),
            *[await check for check in (account_checks(name, venue, market) if has_account else [])],
        ]
    except (NetError, OSError) as error:
        return [fail(f"{name} REST", str(error), "check the address, the network and the firewall")]
    except VenueError as error:
        return [fail(f"{name} REST", str(error), "the venue refuses; see its text")]
    finally:
        await http.close()


def drift_check(name: str, offset_ns: int, error_ns: int, drift_ms_max: int) -> Check:
    """Our clock against the venue's; half the round trip is the error of the measurement."""
    text = f"{offset_ns / 1e6:+.1f} ms against the venue, measured within {error_ns / 1e6:.1f} ms"
    beyond_ms = (abs(offset_ns) - error_ns) / 1e6
    if beyond_ms > drift_ms_max:
        return fail(f"{name} drift", text, f"above clock_drift_ms_max = {drift_ms_max}: synchronise the clock")
    if beyond_ms > drift_ms_max / 2:
        return warn(f"{name} drift", text, "more than half of clock_drift_ms_max: synchronise the clock")
    return ok(f"{name} drift", text)


def account_checks(name: str, venue: VenueSection, market: RestMarket) -> list[Awaitable[Check]]:
    """What only a futures account has: its settings beside the configured ones."""
    from engine.venues.binance.usdm_rest import UsdmRest

    return [settings_check(name, venue, market)] if isinstance(market, UsdmRest) else []


async def settings_check(name: str, venue: VenueSection, market: UsdmRest) -> Check:
    """Position mode, margin type and leverage; what differs is set at start, unless orders or a position are in the way."""
    from engine.credentials import CredentialError, load_credentials
    from engine.exit_codes import CommandError
    from engine.venues.binance.rest_market import VenueError
    from engine.venues.binance.usdm_account import differences

    what = f"{name} account"
    try:
        market.authorize(load_credentials(venue.credential, venue.key_type), venue.recv_window_ms)
        found = await differences(market, venue)
    except CredentialError as error:
        return warn(what, f"not asked: {error}", "its settings are known only with the credential")
    except (VenueError, CommandError) as error:
        return fail(what, str(error), "check the key, its rights and the address it may be used from")
    if found:
        return warn(what, "; ".join(found), "set at start, which orders or a position there may prevent")
    return ok(what, f"one-way, {venue.margin_type}, leverage {venue.leverage}, as configured")


async def symbol_check(name: str, venue: VenueSection, market: RestMarket) -> Check:
    """Does the venue know every symbol and trade it now."""
    from engine.venues.binance.rest_market import VenueError

    try:
        specs = await market.exchange_info(1, venue.symbols)
    except VenueError as error:
        return fail(f"{name} symbols", str(error), f"mend [venue.{name}] symbols")
    except (KeyError, ValueError) as error:
        return fail(f"{name} symbols", f"the venue's reference data: {error}", f"mend [venue.{name}] symbols")
    halted = sorted(spec.symbol for spec in specs if not spec.is_trading)
    missing = sorted(set(venue.symbols) - {spec.symbol for spec in specs})
    if missing:
        return fail(f"{name} symbols", f"unknown: {', '.join(missing)}", f"mend [venue.{name}] symbols")
    if halted:
        return warn(f"{name} symbols", f"not trading now: {', '.join(halted)}", "their orders will be refused")
    return ok(f"{name} symbols", f"{', '.join(venue.symbols)}: trading")
