"""A start that the venue refuses ends with the code of its cause: only what the configuration can mend is 78."""

from __future__ import annotations

import pytest

from engine.exit_codes import ExitCode
from engine.venue_access import refusal
from engine.venues.binance.reference import ReferenceDataError, decode_exchange_info
from engine.venues.binance.rest_market import VenueError


def venue_error(status: int, code: int, retry_after_s: float | None = None) -> VenueError:
    return VenueError("/exchangeInfo", status, code, "so says the venue", retry_after_s)


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, -1121, ExitCode.CONFIG),
        (400, -1100, ExitCode.CONFIG),
        (429, -1003, ExitCode.TEMPORARY),
        (418, -1003, ExitCode.TEMPORARY),
        (500, -1000, ExitCode.UNAVAILABLE),
        (503, 0, ExitCode.UNAVAILABLE),
        (403, 0, ExitCode.PROTOCOL),
        (404, 0, ExitCode.PROTOCOL),
    ],
)
def test_a_refused_start_has_the_code_of_its_cause(status: int, code: int, exit_code: ExitCode) -> None:
    told = refusal(venue_error(status, code))
    assert told.code == exit_code
    assert "so says the venue" in str(told)


def test_a_venue_that_wants_quiet_is_told_with_the_wait() -> None:
    assert "after 17 s" in str(refusal(venue_error(429, -1003, 17.0)))


@pytest.mark.parametrize(
    ("body", "exit_code"),
    [(b'{"symbols":[]}', ExitCode.CONFIG), (b"<html>", ExitCode.PROTOCOL), (b'{"symbols":7}', ExitCode.PROTOCOL)],
)
def test_reference_data_without_the_symbol_is_the_configurations_fault(body: bytes, exit_code: ExitCode) -> None:
    with pytest.raises(ReferenceDataError) as caught:
        decode_exchange_info(body, 1, ["BTCUSDT"])
    assert refusal(caught.value).code == exit_code
