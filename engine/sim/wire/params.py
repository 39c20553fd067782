"""Request parameters as text, with the exchange's refusals for what is missing, empty, malformed or unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote_plus

import msgspec

from engine.sim.wire import errors

SECURITY_NAMES = frozenset({"timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits"})
INTEGER = re.compile(r"[0-9]{1,20}")
CLIENT_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
BOOLEANS = {"true": True, "false": False, "TRUE": True, "FALSE": False}


class Params:
    """The parameters of one request by name, each as the text that the client sent."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values

    def check_known(self, known: frozenset[str]) -> None:
        """Refuse names that the endpoint does not read; the security names are tolerated everywhere."""
        sent = [name for name in self.values if name not in SECURITY_NAMES]
        read = sum(name in known for name in sent)
        if read == len(sent):
            return
        if not known:
            raise errors.too_many_parameters(0, len(sent))
        raise errors.not_all_read(read, len(sent))

    def optional(self, name: str) -> str | None:
        """The text of ``name`` or None; refuses -1105 when it was sent empty."""
        value = self.values.get(name)
        if value == "":
            raise errors.empty_parameter(name)
        return value

    def text(self, name: str) -> str:
        """The text of ``name``; refuses -1102 when it is missing or empty."""
        value = self.values.get(name)
        if not value:
            raise errors.mandatory(name)
        return value

    def integer(self, name: str) -> int | None:
        """A non-negative integer or None; refuses -1100 for anything else."""
        value = self.optional(name)
        if value is None:
            return None
        if INTEGER.fullmatch(value) is None:
            raise errors.illegal_characters(name, errors.INTEGER_PATTERN)
        return int(value)

    def limit(self, default: int, maximum: int) -> int:
        """The ``limit`` of a listing: above the maximum the maximum is used, 0 refuses (-1130)."""
        value = self.integer("limit")
        if value is None:
            return default
        if value == 0:
            raise errors.ApiError(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(value, maximum)

    def boolean(self, name: str, default: bool) -> bool:
        """A boolean; refuses -1100 for anything but true and false."""
        value = self.optional(name)
        if value is None:
            return default
        if value not in BOOLEANS:
            raise errors.illegal_characters(name, "^(true|false)$")
        return BOOLEANS[value]

    def client_id(self, name: str) -> str | None:
        """A client order id or None; refuses -1100 outside its pattern."""
        value = self.optional(name)
        if value is not None and CLIENT_ID.fullmatch(value) is None:
            raise errors.illegal_characters(name, errors.CLIENT_ID_PATTERN)
        return value

    def symbols(self) -> tuple[str, ...] | str | None:
        """One ``symbol`` (text: reply is an object), the list ``symbols`` (tuple: reply is an array) or None."""
        symbol, several = self.optional("symbol"), self.optional("symbols")
        if symbol is not None and several is not None:
            raise errors.bad_combination()
        if several is None:
            return symbol
        try:
            names = msgspec.json.decode(several, type=list[str])
        except msgspec.DecodeError:
            pattern = r"^\[(\"[A-Z0-9-_.]{1,20}\"(,\"[A-Z0-9-_.]{1,20}\"){0,}){0,1}\]$"
            raise errors.illegal_characters("symbols", pattern) from None
        if not names:
            raise errors.empty_parameter("symbols")
        if len(names) > 100:
            raise errors.ApiError(-1101, "Too many values sent for parameter 'symbols', maximum allowed up to 100.")
        return tuple(names)


def from_request(query: bytes, body: bytes) -> Params:
    """Read query and form body; the query wins where both name a parameter; refuses -1101 for a duplicate."""
    values = _pairs(body)
    values.update(_pairs(query))
    return Params(values)


def _pairs(part: bytes) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in _decoded(part):
        if name in values:
            raise errors.duplicate_parameter()
        values[name] = value
    return values


def _decoded(part: bytes) -> Iterable[tuple[str, str]]:
    for pair in part.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            yield unquote_plus(name.decode("latin-1")), unquote_plus(value.decode("latin-1"))
