"""The control port: what an operator may ask of the hot process, and how it answers."""
