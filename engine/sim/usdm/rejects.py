"""Refusals of USD-M futures in the exchange's codes and words (error table of the USD-M documentation)."""

from __future__ import annotations

from engine.sim.reject import VenueReject


def missing(parameter: str) -> VenueReject:
    """Refuse for a mandatory parameter that was not sent."""
    return VenueReject(-1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed.")


def neither(first: str, second: str) -> VenueReject:
    """Refuse when one of two parameters must be sent."""
    return VenueReject(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def surplus(parameter: str) -> VenueReject:
    """Refuse for a parameter that does not go with the others."""
    return VenueReject(-1106, f"Parameter '{parameter}' sent when not required.")


def invalid(parameter: str) -> VenueReject:
    """Refuse a word that a parameter does not know."""
    return VenueReject(-1130, f"Data sent for parameter '{parameter}' is not valid.")


def too_precise() -> VenueReject:
    """Refuse more decimals than the contract has."""
    return VenueReject(-1111, "Precision is over the maximum defined for this asset.")


def unknown_order() -> VenueReject:
    """Refuse to cancel what is not open."""
    return VenueReject(-2011, "Unknown order sent.")


def no_order() -> VenueReject:
    """Refuse to tell of an order that never was."""
    return VenueReject(-2013, "Order does not exist.")


def margin_insufficient() -> VenueReject:
    """Refuse what the available balance does not carry."""
    return VenueReject(-2019, "Margin is insufficient.")


def reduce_only_rejected() -> VenueReject:
    """Refuse a reduce-only order that would not reduce."""
    return VenueReject(-2022, "ReduceOnly Order is rejected.")


def position_too_large() -> VenueReject:
    """Refuse more than the bracket of the present leverage allows."""
    return VenueReject(-2027, "Exceeded the maximum allowable position at current leverage.")


def would_trigger() -> VenueReject:
    """Refuse a conditional order whose condition holds."""
    return VenueReject(-2021, "Order would immediately trigger.")


def overloaded() -> VenueReject:
    """Refuse for want of room in the book."""
    return VenueReject(
        -1008,
        "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. Please try again.",
    )
