"""Order books: ladders, validity, synchronisation."""
