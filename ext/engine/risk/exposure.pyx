"""What an order adds to its scopes: see exposure.pxd. Everything is inline there."""
