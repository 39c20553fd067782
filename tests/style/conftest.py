"""What the style tests share goes when they are done: the tests behind them start processes, and trees of syntax are large."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.style.tree import parsed


@pytest.fixture(scope="package", autouse=True)
def syntax_is_let_go() -> Iterator[None]:
    """Files are parsed once for all rules."""
    yield
    parsed.cache_clear()
