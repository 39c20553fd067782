from engine.runtime.actor import Actor

class TermsCheck(Actor):
    """The checks of an order's terms: see ``terms.pxd``. The gate is built on it."""
