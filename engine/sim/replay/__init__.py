"""The replay source of the simulated venue: recorded frames sent as they were, own orders filled against the recorded flow."""
