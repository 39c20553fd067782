class BookReader:
    """Depth of every instrument, for compiled readers; empty until the book stage overrides it."""
