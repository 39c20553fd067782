"""Order handles for operators' orders: taken from the same counter as the strategies'."""
from engine.model.tables cimport Tables


def next_handle(Tables tables not None) -> int:
    """The next order handle of this run: epoch << 32 | counter."""
    return tables.next_handle()
