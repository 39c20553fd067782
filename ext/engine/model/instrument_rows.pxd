"""Rows of the table of instruments as they lie in memory, for cold code alone: nothing here is cimported."""
