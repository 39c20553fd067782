"""`tradewind demo`: a simulated venue, the daemon, the desk and a market maker, run together and checked against one another."""
