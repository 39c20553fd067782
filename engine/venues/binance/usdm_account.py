"""A USD-M account as the configuration wants it: position mode, margin type and leverage, set where they differ and read back.

An account that the venue will not change (open orders, a position) keeps the engine from starting: limits that were chosen for
one leverage or margin type must not meet another. Sources: Binance USD-M futures documentation, "Change Position Mode", "Change
Margin Type", "Change Initial Leverage", "Symbol Configuration"; error codes -4046, -4047, -4048, -4059, -4067, -4068.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from engine.config_schema import VenueSection
from engine.exit_codes import CommandError, ExitCode
from engine.model.instruments import to_e8
from engine.model.margin_terms import ContractMargin, MarginTier
from engine.venues.binance.rest_market import VenueError, read_body
from engine.venues.binance.usdm_rest import UsdmRest

NO_CHANGE_NEEDED = (-4046, -4059)
MODES = {False: "one-way", True: "hedge"}
MARGIN_TYPES = {"cross": "CROSSED", "isolated": "ISOLATED"}


class _Bracket(msgspec.Struct):
    """One tier as the venue writes it."""

    initialLeverage: int  # noqa: N815 - the venue's spelling
    notionalCap: Decimal  # noqa: N815
    notionalFloor: Decimal  # noqa: N815
    maintMarginRatio: Decimal  # noqa: N815
    cum: Decimal


class _Mode(msgspec.Struct):
    """positionSide/dual."""

    dualSidePosition: bool  # noqa: N815


class _Settings(msgspec.Struct):
    """A symbol of symbolConfig."""

    symbol: str
    marginType: str  # noqa: N815
    leverage: int


class _Brackets(msgspec.Struct):
    """A symbol of leverageBracket."""

    symbol: str
    brackets: list[_Bracket]


async def settle_account(rest: UsdmRest, venue: VenueSection) -> None:
    """Make the account what `venue` says. Raises CommandError with what the venue answered where it cannot be."""
    await settle_position_mode(rest, is_hedged=venue.position_mode == "hedge")
    for symbol in venue.symbols:
        found = await symbol_settings(rest, symbol)
        wanted = MARGIN_TYPES[str(venue.margin_type)]
        if found.marginType != wanted:
            await change(rest, "margin_type", "/fapi/v1/marginType", symbol=symbol, marginType=wanted)
        if found.leverage != venue.leverage:
            await change(rest, "leverage", "/fapi/v1/leverage", symbol=symbol, leverage=venue.leverage)
        found = await symbol_settings(rest, symbol)
        if (found.marginType, found.leverage) != (wanted, venue.leverage):
            text = f"{symbol}: the account stands at {found.marginType} and leverage {found.leverage}"
            raise CommandError(ExitCode.CONFIG, f"{text}, {wanted} and {venue.leverage} were asked for")


async def differences(rest: UsdmRest, venue: VenueSection) -> list[str]:
    """What stands otherwise at the venue than `venue` says, in words; nothing is changed."""
    found = []
    is_hedged = (await rest.ask("/fapi/v1/positionSide/dual", _Mode)).dualSidePosition
    if is_hedged != (venue.position_mode == "hedge"):
        found.append(f"the account is in {MODES[is_hedged]} mode")
    for symbol in venue.symbols:
        row = await symbol_settings(rest, symbol)
        wanted = (MARGIN_TYPES[str(venue.margin_type)], venue.leverage)
        if (row.marginType, row.leverage) != wanted:
            found.append(f"{symbol}: {row.marginType}, leverage {row.leverage}, not {wanted[0]}, {wanted[1]}")
    return found


async def margin_terms(rest: UsdmRest, venue: VenueSection) -> tuple[ContractMargin, ...]:
    """Leverage, margin type and tiers of the configured symbols, as they stand now (weight 1)."""
    response = await rest.signed("GET", "/fapi/v1/leverageBracket")
    # numbers of JSON become decimals as they stand: none of them is ever a float
    rows = read_body("/fapi/v1/leverageBracket", response, list[_Brackets])
    found = {row.symbol: row.brackets for row in rows}
    missing = [symbol for symbol in venue.symbols if symbol not in found]
    if missing:
        raise CommandError(ExitCode.PROTOCOL, f"{', '.join(missing)}: the venue tells no leverage brackets")
    assert venue.leverage is not None
    isolated = venue.margin_type == "isolated"
    return tuple(ContractMargin(name, venue.leverage, isolated, tiers_of(found[name])) for name in venue.symbols)


def tiers_of(brackets: list[_Bracket]) -> tuple[MarginTier, ...]:
    """From the smallest notional up; the venue writes numbers where others write text."""
    return tuple(
        MarginTier(
            floor_e8=to_e8(row.notionalFloor),
            cap_e8=to_e8(row.notionalCap),
            ratio_e8=to_e8(row.maintMarginRatio),
            cum_e8=to_e8(row.cum),
            leverage=row.initialLeverage,
        )
        for row in sorted(brackets, key=lambda row: row.notionalFloor)
    )


async def settle_position_mode(rest: UsdmRest, *, is_hedged: bool = False) -> None:
    """One-way: one signed position an instrument. Hedge: a long and a short one, and every order says of which it is."""
    path = "/fapi/v1/positionSide/dual"
    if (await rest.ask(path, _Mode)).dualSidePosition != is_hedged:
        await change(rest, "position_mode", path, dualSidePosition=str(is_hedged).lower())
    if (await rest.ask(path, _Mode)).dualSidePosition != is_hedged:
        text = f"position_mode: the account stays in {MODES[not is_hedged]} mode, {MODES[is_hedged]} was asked for"
        raise CommandError(ExitCode.CONFIG, text)


async def symbol_settings(rest: UsdmRest, symbol: str) -> _Settings:
    """Margin type and leverage of one symbol."""
    for row in await rest.ask("/fapi/v1/symbolConfig", list[_Settings], symbol=symbol):
        if row.symbol == symbol:
            return row
    raise CommandError(ExitCode.PROTOCOL, f"{symbol}: the venue tells no settings of this symbol")


async def change(rest: UsdmRest, key: str, path: str, **params: Any) -> None:
    """One setting; that it stands so already is no refusal."""
    try:
        await rest.signed("POST", path, params)
    except VenueError as error:
        if error.code not in NO_CHANGE_NEEDED:
            where = f"{params['symbol']}: " if "symbol" in params else ""
            text = f"venue.{key}: {where}the venue does not change it: {error.code} {error.text}"
            raise CommandError(ExitCode.CONFIG, text) from None
