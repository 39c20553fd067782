"""Loops of decoders and encoders for benchmarks: nothing of it is for other compiled code."""
