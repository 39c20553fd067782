"""How worths and sums move: nothing that Python sees."""
