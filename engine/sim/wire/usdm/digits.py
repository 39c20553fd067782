"""Numbers as USD-M writes them: a symbol's own decimals on prices and quantities, bare zeros in user events."""

from __future__ import annotations

from collections.abc import Iterable

E8 = 100_000_000
PLACES = 8


def fixed(value_e8: int, places: int) -> str:
    """Units of 1e-8 with at least ``places`` decimals, and as many more as it takes to tell the value whole."""
    if value_e8 < 0:
        return "-" + fixed(-value_e8, places)
    scale = 10 ** (PLACES - places)
    units, rest = divmod(value_e8, scale)
    if rest:
        return f"{value_e8 // E8}.{value_e8 % E8:08d}".rstrip("0")
    if places == 0:
        return str(units)
    whole = 10**places
    return f"{units // whole}.{units % whole:0{places}d}"


def e8(value_e8: int) -> str:
    """Units of 1e-8 with eight decimals, as amounts of money are written over REST."""
    return fixed(value_e8, PLACES)


def bare(value_e8: int) -> str:
    """Units of 1e-8 without needless zeros, as user data events write amounts: ``0``, ``999.872``."""
    return fixed(value_e8, 0)


class Digits:
    """One symbol's decimals: of its prices, of its quantities, and of their products."""

    __slots__ = ("_price_scale", "_price_whole", "_qty_scale", "_qty_whole", "price_places", "qty_places")

    def __init__(self, price_places: int, qty_places: int) -> None:
        self.price_places = price_places
        self.qty_places = qty_places
        self._price_scale, self._price_whole = 10 ** (PLACES - price_places), 10**price_places
        self._qty_scale, self._qty_whole = 10 ** (PLACES - qty_places), 10**qty_places

    def price(self, value_e8: int) -> str:
        """A price."""
        return fixed(value_e8, self.price_places)

    def qty(self, value_e8: int) -> str:
        """A quantity."""
        return fixed(value_e8, self.qty_places)

    def quote(self, value_e8: int) -> str:
        """A price times a quantity."""
        return fixed(value_e8, min(PLACES, self.price_places + self.qty_places))

    def levels(self, rows: Iterable[tuple[int, int]]) -> str:
        """Book levels as ``["price","qty"]`` pairs (they lie on tick and step, so nothing is rounded)."""
        rows = list(rows)
        is_plain = self.price_places and self.qty_places and all(price >= 0 <= qty for price, qty in rows)
        if not is_plain:
            return ",".join([f'["{self.price(price)}","{self.qty(qty)}"]' for price, qty in rows])
        p_scale, p_whole, p_places = self._price_scale, self._price_whole, self.price_places
        q_scale, q_whole, q_places = self._qty_scale, self._qty_whole, self.qty_places
        return ",".join(
            [
                f'["{price // p_scale // p_whole}.{price // p_scale % p_whole:0{p_places}d}",'
                f'"{qty // q_scale // q_whole}.{qty // q_scale % q_whole:0{q_places}d}"]'
                for price, qty in rows
            ]
        )


def rounded(value_e8: int, places: int) -> str:
    """Units of 1e-8 with exactly ``places`` decimals, rounded half up (ratios)."""
    step = 10 ** (PLACES - places)
    return fixed((value_e8 + step // 2) // step * step, places)
