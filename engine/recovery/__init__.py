"""What a start makes of the ledger of earlier runs, and snapshots of it that make the start short."""
