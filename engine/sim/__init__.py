"""The simulated venue: a pure core (matching, accounts, generated market) behind a shell of sockets in ``wire``."""
