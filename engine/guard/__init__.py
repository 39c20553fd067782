"""The guard: a process of its own, with a session of its own at the venue, that only cancels."""
