"""Binance spot (and the USD-M frames that recorded files hold): codec, sessions, reference data."""
