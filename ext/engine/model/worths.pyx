"""How worths and sums move: see worths.pxd. Everything is inline there."""
