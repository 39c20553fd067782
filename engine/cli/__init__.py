"""The `tradewind` command: one file a verb, imported only when that verb is asked for."""
