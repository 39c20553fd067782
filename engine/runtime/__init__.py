"""Actors, rings, the World (clock, net, disk, seed), sessions and links, counters: what every stage stands on."""
