"""Funding booked once: what the stream tells and what the income list names, in any order."""

from typing import final

@final
class FundingBook:
    def by_instrument(self) -> dict[int, int]: ...
