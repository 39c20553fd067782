"""Execution algorithms: pure, deterministic, integers only; `now` is the event's stamp, chance is seeded by the parent's handle."""
