"""The common matching workload w1, through one array call after the other, gives what its publisher says."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine.book.matching import MatchingEngine
from tests.matching_workload import Workload, generated, generator, result_of, standing

PUBLISHED = {"trades": 142_632, "tqty": 1_657_713, "tval": 165_740_146_385, "h": 13026117529278899069}
WIDE = {"width": 5_000, "prefill": 100_000, "floor": 50_000, "walk_p": 0.2}


@pytest.fixture(scope="module")
def workloads(data_root: Path) -> ModuleType:
    module = generator(data_root)
    if module is None:
        pytest.skip(f"no bench/matching_workload.py beside {data_root}: the workload's generator is not here")
    return module


def assert_expected(workload: Workload, engine: MatchingEngine) -> dict[str, int]:
    """The engine's figures, which are the generator's."""
    result = result_of(workload, engine)
    found = result | standing(engine)
    assert found == {name: workload.expected[name] for name in found}
    assert engine.trade_count >= result["trades"]
    return result


def small_engine() -> MatchingEngine:
    return MatchingEngine(1, 200_000, 4_096)


@pytest.mark.slow
def test_the_whole_workload_gives_the_published_hash(workloads: ModuleType, tmp_path: Path) -> None:
    assert assert_expected(generated(workloads, tmp_path), small_engine()) == PUBLISHED


@pytest.mark.parametrize("choices", [{}, WIDE | {"prefill": 20_000, "floor": 10_000}], ids=["narrow", "wide"])
def test_other_seeds_give_what_their_generator_says(
    workloads: ModuleType, tmp_path: Path, amount: str, choices: dict[str, Any]
) -> None:
    for seed in (1, 2):
        workload = generated(workloads, tmp_path, n=20_000, seed=seed, **choices)
        assert_expected(workload, small_engine())


def test_the_wide_workload_gives_what_its_generator_says(workloads: ModuleType, tmp_path: Path, amount: str) -> None:
    count = 1_000_000 if amount == "long" else 50_000
    assert_expected(generated(workloads, tmp_path, n=count, **WIDE), small_engine())
