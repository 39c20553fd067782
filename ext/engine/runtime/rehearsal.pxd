"""Loops for benchmarks and tests: nothing for other modules."""
