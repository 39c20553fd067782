"""Copies of an engine's data: taken beside the running engine, verified, and put back so that no order id is used again."""
