"""Market-data connections: open, keep, rotate, resynchronise."""
