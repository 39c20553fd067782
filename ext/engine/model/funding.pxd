"""Funding booked once: by contract, asset, hour and amount, whoever tells of it and in whatever order."""
cimport cython
from libc.stdint cimport int64_t, uint16_t, uint32_t
from engine.model.records cimport FundingPaymentPayload

cdef enum:
    PAYMENTS_KEPT = 4096

cdef struct FundingPaid:
    # payments of one amount that one settlement of one contract made: as many are booked as the better informed of both tells
    int64_t hour
    int64_t amount_e8
    uint32_t instrument_id    # 0 = the stream did not say
    uint16_t asset_id
    uint16_t told             # by the stream
    uint16_t listed           # by the income list

@cython.final
cdef class FundingBook:
    cdef int64_t[512] paid_e8                  # by instrument: paid (negative) and received so far
    cdef int64_t newest_ns
    cdef FundingPaid[PAYMENTS_KEPT] payments   # a ring of the latest
    cdef uint32_t payment_count
    # Book what of it is new; returns that. `unnamed_e8`: what was booked to no contract before and goes to this one now.
    cdef int64_t take(self, uint32_t instrument_id, const FundingPaymentPayload* paid, int64_t* unnamed_e8) noexcept nogil
    cdef int64_t _told(self, uint32_t instrument_id, const FundingPaymentPayload* paid) noexcept nogil
    cdef int64_t _listed(self, uint32_t instrument_id, const FundingPaymentPayload* paid, int64_t* unnamed_e8) noexcept nogil
    cdef FundingPaid* _find(self, uint32_t instrument_id, const FundingPaymentPayload* paid) noexcept nogil
    cdef FundingPaid* _place(self, uint32_t instrument_id, const FundingPaymentPayload* paid) noexcept nogil
    cdef FundingPaid* _untold(self, const FundingPaymentPayload* paid) noexcept nogil
