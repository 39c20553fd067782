"""Value types, enumerations, reason codes, instruments: what every stage may import, and what imports nothing of ours."""
