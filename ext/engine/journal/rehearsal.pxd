"""Loops for benchmarks: nothing for other modules."""
