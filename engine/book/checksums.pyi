from engine.book.l2 import L2Book

def crc32(data: bytes, crc: int = 0) -> int: ...
def kraken_text(book: L2Book, price_unit: int = 1, qty_unit: int = 1) -> bytes: ...
def kraken_crc32(book: L2Book, price_unit: int = 1, qty_unit: int = 1) -> int: ...
def okx_text(
    book: L2Book,
    price_decimals: int,
    qty_decimals: int,
    price_unit: int = 1,
    qty_unit: int = 1,
    keeps_zeros: bool = False,
) -> bytes: ...
def okx_crc32(
    book: L2Book,
    price_decimals: int,
    qty_decimals: int,
    price_unit: int = 1,
    qty_unit: int = 1,
    keeps_zeros: bool = False,
) -> int: ...
