"""What the schema of a configuration is described with: descriptions, ranges and checks of keys."""

from __future__ import annotations

import msgspec
from msgspec import Meta


def decimal_meta(description: str) -> Meta:
    """A positive amount as decimal text, at most 8 decimals; `engine.config` checks it exactly."""
    return Meta(description=description, extra={"decimal": True})


def text_meta(pattern: str, wanted: str, description: str) -> Meta:
    """Text that must match `pattern`; `wanted` says it in words for the refusal."""
    return Meta(pattern=pattern, description=description, extra={"wanted": wanted})


def url_meta(schemes: str, description: str) -> Meta:
    """A URL of one of `schemes` (separated by a space) with a host and without user, query or fragment."""
    return Meta(description=description, extra={"url": schemes})


def path_meta(description: str) -> Meta:
    """A path; relative ones count from the configuration file's directory."""
    return Meta(description=description, extra={"path": True})


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration."""


def count_meta(description: str, most: int = 1_000_000) -> Meta:
    """A whole number from 1."""
    return Meta(ge=1, le=most, description=description)


def bps_meta(description: str) -> Meta:
    """Basis points, 1 to 10 000."""
    return Meta(ge=1, le=10_000, description=description)
