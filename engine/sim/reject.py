"""The venue's refusal: an exchange error code and its text, as a value that the shell puts on the wire."""

from __future__ import annotations


class VenueReject(Exception):
    """A request that the venue refuses with the exchange's ``code`` and ``msg``; nothing was changed."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(code, msg)
        self.code = code
        self.msg = msg


def neither(first: str, second: str) -> VenueReject:
    """Refuse when one of two parameters must be sent (-1102)."""
    return VenueReject(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def filter_failure(filter_type: str) -> VenueReject:
    """Refuse for a violated symbol filter (-1013)."""
    return VenueReject(-1013, f"Filter failure: {filter_type}")


def new_order_rejected(text: str) -> VenueReject:
    """Refuse a new order in the matching engine's words (-2010)."""
    return VenueReject(-2010, text)


def cancel_rejected(text: str = "Unknown order sent.") -> VenueReject:
    """Refuse a cancel in the matching engine's words (-2011)."""
    return VenueReject(-2011, text)


def amend_rejected(text: str) -> VenueReject:
    """Refuse an amend in the matching engine's words (-2038)."""
    return VenueReject(-2038, text)


def invalid_symbol() -> VenueReject:
    """Refuse an unknown symbol (-1121)."""
    return VenueReject(-1121, "Invalid symbol.")


def order_does_not_exist() -> VenueReject:
    """Refuse a query for an order that the account never had (-2013)."""
    return VenueReject(-2013, "Order does not exist.")
