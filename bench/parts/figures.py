"""What benchmarks with figures of their own form say, as rows of the one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parts.rows import Row

MARK_US_A_FRAME = 10.0  # 100,000 frames a second


def wire(results: list[dict[str, Any]]) -> list[Row]:
    """Medians and p99 of the round trip beside the C loop's."""
    rows = []
    for entry in results:
        for quantile in ("p50", "p99"):
            name = f"wire to wire, {entry['wait']}, {'tls' if entry['tls'] else 'plain'}, {quantile}"
            ours, yardstick = entry["tradewind_us"][quantile], entry["c_us"][quantile]
            target = entry["target"][quantile]
            if ours and yardstick:
                rows.append(Row(name, "us", ours, "C loop", yardstick, target, target_is_ratio=True))
    return rows


def pipeline(results: dict[str, Any]) -> list[Row]:
    """Frame to order bytes beside an all-Python client."""
    return [
        Row(
            f"frame to order bytes, {entry['strategy']}, {entry['key']}, {quantile}",
            "us",
            entry[f"{quantile}_us"],
            "all-Python client, p50",
            results["yardstick_us"],
            entry["target_us"][number],
        )
        for entry in results["rows"]
        for number, quantile in enumerate(("p50", "p99"))
    ]


def scrape(results: dict[str, Any]) -> list[Row]:
    """p99 while scraped over p99 without; the same by chance."""
    ratio, by_chance = results["ratio_p99"], results["ratio_p99_by_chance"]
    return [Row("a scrape's effect on p99", "x", ratio, "by chance", by_chance, results["limit"])]


def venue(results: list[dict[str, Any]]) -> list[Row]:
    """Microseconds a frame that the simulated venue sends, beside the mark."""
    return [
        Row(
            f"venue, {entry['case']}",
            "us/frame",
            1e6 / entry["frames_s"],
            "the mark",
            MARK_US_A_FRAME,
            MARK_US_A_FRAME if entry["clients"] == 1 else None,
        )
        for entry in results
    ]


def replay(results: list[dict[str, Any]]) -> list[Row]:
    """Microseconds a frame of a recording played, beside the mark."""
    return [
        Row(
            f"replay {entry['recording']}",
            "us/frame",
            1e6 / entry["frames_s"],
            "the mark",
            MARK_US_A_FRAME,
            MARK_US_A_FRAME,
        )
        for entry in results
    ]


FIGURES: dict[str, Callable[[Any], list[Row]]] = {
    "wire": wire,
    "pipeline": pipeline,
    "scrape": scrape,
    "venue": venue,
    "replay": replay,
}
