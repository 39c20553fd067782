"""The doctor's look at who cancels when the engine cannot: the guard, and the venue's dead-man switch."""

from __future__ import annotations

from collections.abc import Iterator

from engine.cli.doctor_checks import Check, fail, ok, warn
from engine.config import USDM_WEIGHT_MINUTE, LoadedConfig
from engine.config_schema import VenueSection
from engine.model.dead_man_cost import feeding_fault, feeding_weight


def guard(loaded: LoadedConfig) -> Iterator[Check]:
    """Is one configured, are its keys there, does one answer."""
    section = loaded.config.guard
    if section is None:
        text = "none is configured: when the engine dies or hangs, its orders stay until it is back"
        yield warn("guard", text, "add a table [guard] and run `tradewind guard` (tradewind-guard@NAME)")
        return
    from engine.credentials import CredentialError
    from engine.guard.main import load_key

    for name, venue in loaded.config.venue.items():
        try:
            load_key(section, venue)
        except CredentialError as error:
            yield fail(f"guard key {name}", str(error), "see docs/service.md, credentials")
        else:
            own = "a key of its own" if section.credential else "the engine's key"
            yield ok(f"guard key {name}", f"{own} is there and private")
    yield answering(loaded)


def answering(loaded: LoadedConfig) -> Check:
    """Does a guard answer, and has the venue let it cancel."""
    from engine.control.client import ControlClient, EngineUnreachableError
    from engine.control.messages import GuardStatus, Status

    try:
        with ControlClient(loaded.guard_socket, timeout_ms=1000) as client:
            reply = client.request(Status())
    except EngineUnreachableError:
        return warn("guard", "configured, and none answers", "start it: systemctl start tradewind-guard@NAME")
    if not isinstance(reply, GuardStatus):
        return warn("guard", f"it answers {type(reply).__name__}", "run the guard of this build")
    if not reply.may_cancel:
        return warn("guard", f"it has not reached the venue yet: {reply.troubles}", "check the network and its key")
    return ok("guard", f"answers, pid {reply.pid}; the venue lets it cancel")


def dead_man(loaded: LoadedConfig) -> Iterator[Check]:
    """What the venue does by itself, and what feeding it costs of the limit that is published; a venue asked has its own."""
    for name, venue in loaded.config.venue.items():
        what = f"dead-man switch {name}"
        if venue.deadman_ms is None:
            has_none = venue.kind == "binance-spot"
            yield ok(what, "the venue has none: the guard stands in" if has_none else "not used ([venue] deadman_ms)")
            continue
        if fault := feeding_fault(venue.deadman_ms, len(venue.symbols), USDM_WEIGHT_MINUTE):
            mend = "set a longer deadman_ms: the guard is quicker and costs nothing"
            yield warn(what, f"after {venue.deadman_ms} ms; {fault}", mend)
            continue
        weight = feeding_weight(venue.deadman_ms, len(venue.symbols))
        yield ok(
            what,
            f"after {venue.deadman_ms} ms; feeding it costs a weight of {weight} of {USDM_WEIGHT_MINUTE} a minute",
        )


def feeding(name: str, venue: VenueSection, weight_minute: int) -> Iterator[Check]:
    """Would the engine start with this switch, by the limit that the venue itself publishes."""
    if venue.deadman_ms is None:
        return
    what = f"{name} dead-man switch"
    if fault := feeding_fault(venue.deadman_ms, len(venue.symbols), weight_minute):
        yield fail(what, fault, "set a longer deadman_ms: the guard is quicker and costs nothing")
    else:
        weight = feeding_weight(venue.deadman_ms, len(venue.symbols))
        yield ok(what, f"feeding it costs a weight of {weight} of the venue's {weight_minute} a minute")
