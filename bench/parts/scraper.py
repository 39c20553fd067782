"""A child process: GET the address of its argument once for each line on standard input, and say how many bytes came."""

from __future__ import annotations

import sys
from urllib.request import urlopen


def main() -> None:
    """Until standard input ends."""
    for _ in sys.stdin:
        with urlopen(sys.argv[1], timeout=10) as answer:
            size = len(answer.read())
        sys.stdout.write(f"{size}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
