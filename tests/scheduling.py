"""Which tests share a process: those of a file, since what its tests share is made once a process; and those of style, which all
read the whole tree.

pytest-xdist's own groups are told by the end of a test's id, which pytest 9.2 does not let it write any more: each test was a
group, and what files share was made again in every process.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

STYLE = "tests/style/"


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Files in the order of their names, each to whoever is free: the quick unit tests come last and fill up what is left."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return STYLE if nodeid.startswith(STYLE) else nodeid.partition("::")[0]
