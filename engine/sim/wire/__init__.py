"""The wire shell of the simulated venue: Binance's spot protocol in socket-free sessions, and their sockets."""
