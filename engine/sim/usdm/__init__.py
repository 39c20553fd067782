"""USD-M perpetual futures of the simulated venue: the pure core, without sockets or a clock."""
