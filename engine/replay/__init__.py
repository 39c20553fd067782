"""Recorded sessions, run again: the same core, fed from the journal, each record compared with the one that was written then."""
