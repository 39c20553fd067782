"""Funding that was booked, as an image."""
from libc.stdint cimport uint32_t
from engine.journal.image cimport ImageReader, ImageWriter
from engine.model.funding cimport PAYMENTS_KEPT, FundingBook, FundingPaid

cdef enum:
    INSTRUMENTS = 512


cdef int write_funding(ImageWriter out, FundingBook book) except -1:
    cdef uint32_t i, used = 0
    cdef const FundingPaid* row
    cdef size_t place = out.hold32()
    for i in range(INSTRUMENTS):
        if book.paid_e8[i]:
            used += 1
            out.put32(i)
            out.put64(book.paid_e8[i])
    out.fill32(place, used)
    out.put64(book.newest_ns)
    out.put32(book.payment_count)
    for i in range(min(book.payment_count, <uint32_t> PAYMENTS_KEPT)):
        row = &book.payments[i]
        out.put64(row.hour)
        out.put64(row.amount_e8)
        out.put32(row.instrument_id)
        out.put16(row.asset_id)
        out.put16(row.told)
        out.put16(row.listed)
    return 0


cdef int read_funding(ImageReader source, FundingBook book) except -1:
    cdef uint32_t i, number, used = source.count(INSTRUMENTS)
    cdef FundingPaid* row
    for number in range(used):
        i = source.count(INSTRUMENTS - 1)
        book.paid_e8[i] = source.get_signed()
    book.newest_ns = source.get_signed()
    book.payment_count = source.get32()
    for i in range(min(book.payment_count, <uint32_t> PAYMENTS_KEPT)):
        row = &book.payments[i]
        row.hour = source.get_signed()
        row.amount_e8 = source.get_signed()
        row.instrument_id = source.get32()
        row.asset_id = source.get16()
        row.told = source.get16()
        row.listed = source.get16()
    return 0
