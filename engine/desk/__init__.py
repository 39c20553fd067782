"""The cold process beside an engine: metrics, health, and the journal's events as lines. It only reads."""
