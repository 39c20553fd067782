"""Strategies: the author's API, the stage that runs them, and those that are shipped."""
