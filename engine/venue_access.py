"""What is asked of the venue over HTTP, and how its addresses are reached."""

from __future__ import annotations

import ssl

from engine.config_risk_schema import HealthSection
from engine.config_schema import VenueSection
from engine.credentials import Credentials
from engine.exit_codes import CommandError, ExitCode
from engine.guarded_http import GuardedHttp, guard_terms
from engine.model.instruments import InstrumentSpec
from engine.model.margin_terms import ContractMargin
from engine.runtime.net import NetError
from engine.runtime.world import World
from engine.venue_kinds import kind_of
from engine.venues.binance.reference import ReferenceDataError, UnknownSymbolError
from engine.venues.binance.rest_market import VenueError

# "Illegal characters found in parameter 'symbols'" and "Invalid symbol": what the configuration names is no symbol there
SYMBOL_CODES = frozenset({-1100, -1121})


# -1022 INVALID_SIGNATURE, -2008 BAD_API_ID, -2014 BAD_API_KEY_FMT, -2015 REJECTED_MBX_KEY, -1002 UNAUTHORIZED
KEY_CODES = frozenset({-1002, -1022, -2008, -2014, -2015})


def refusal(error: VenueError | ReferenceDataError, what: str = "reference data") -> CommandError:
    """How a start ends that the venue gave no reference data: only what the configuration can mend is the configuration's."""
    if isinstance(error, UnknownSymbolError) or (isinstance(error, VenueError) and error.code in SYMBOL_CODES):
        return CommandError(ExitCode.CONFIG, f"venue.symbols: the venue refuses them: {error}")
    if isinstance(error, ReferenceDataError):
        return CommandError(ExitCode.PROTOCOL, f"the venue's reference data cannot be used: {error}")
    if error.status in (418, 429):
        wait = "" if error.retry_after_s is None else f": start again after {error.retry_after_s:.0f} s"
        return CommandError(ExitCode.TEMPORARY, f"the venue asks for quiet{wait}; {error}")
    if error.status >= 500:
        return CommandError(ExitCode.UNAVAILABLE, f"the venue cannot answer now: {error}")
    return CommandError(ExitCode.PROTOCOL, f"the venue refuses to give {what}: {error}")


class VenueAccess:
    """The venue's addresses, and what is asked of it over HTTP."""

    def __init__(self, world: World, venue: VenueSection, health: HealthSection | None = None) -> None:
        self.world = world
        self.venue = venue
        self.kind = kind_of(venue.kind)
        try:
            is_tls = venue.rest_url.startswith("https") or venue.ws_api_url.startswith("wss")
            self.tls = world.net.tls_context(venue.tls_ca) if is_tls or venue.stream_url.startswith("wss") else None
            http = world.net.http_client(venue.rest_url, tls=self.tls)
        except NetError as error:
            raise CommandError(ExitCode.CONFIG, str(error)) from None
        self.http = GuardedHttp(http, world.clock, world.rng, guard_terms(health or HealthSection()))
        self.rest = self.kind.rest(self.http, world.clock)
        self.margin_terms: tuple[ContractMargin, ...] = ()
        # the order half: the venue itself, but in paper trading a venue of our own
        self.orders: VenueAccess = self

    async def reference_data(self, venue_id: int) -> list[InstrumentSpec]:
        """Instruments of the configured symbols, exactly as the venue defines them."""
        try:
            return await self.rest.exchange_info(venue_id, self.venue.symbols)
        except NetError as error:
            code = ExitCode.PROTOCOL if "certificate" in str(error) or "TLS" in str(error) else ExitCode.UNAVAILABLE
            raise CommandError(code, str(error)) from None
        except (VenueError, ReferenceDataError) as error:
            raise refusal(error) from None

    async def account_number(self, credentials: Credentials) -> str:
        """Which account of the venue the key is of; empty where the venue does not say. VenueError, NetError."""
        self.rest.authorize(credentials, self.venue.recv_window_ms)
        return await self.kind.account_number(self.rest)

    async def settle_account(self, credentials: Credentials) -> None:
        """Have the account stand as the configuration says, where the kind has settings; CommandError where it cannot be."""
        try:
            self.margin_terms = await self.kind.settle_account(self.rest, self.venue, credentials)
        except NetError as error:
            raise CommandError(ExitCode.UNAVAILABLE, str(error)) from None
        except VenueError as error:
            if error.code in KEY_CODES:
                text = f"the venue refuses the credential {self.venue.credential!r}: {error}: check its key and rights"
                raise CommandError(ExitCode.NO_PERMISSION, text) from None
            raise refusal(error, "the account's settings") from None

    def options(self, url: str) -> dict[str, ssl.SSLContext]:
        """What a WebSocket to `url` needs beside its address."""
        return {"tls": self.tls} if self.tls is not None and url.startswith("wss") else {}

    async def close(self) -> None:
        """Close kept-alive connections."""
        await self.http.close()
