"""The simulated venue in the engine's own process: a network without sockets, and a loop whose time is virtual."""
