"""What the core's state is, as numbers that two runs of one session can be compared by."""
