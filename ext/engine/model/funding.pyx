"""Funding booked once.

The private stream tells each payment as it is made, the income list names all of a settlement later, and the news of both may come in
any order. Neither carries the other's number, so payments are known by contract, asset, hour and amount, and counted on both sides:
booked is the larger count. Equal counts in whatever order give equal books, and a list that is read again changes nothing.
"""
from libc.stdint cimport int64_t, uint16_t, uint32_t
from engine.model.records cimport FundingPaymentPayload

cdef int64_t HOUR_NS = 3_600_000_000_000


cdef inline int64_t _hour(const FundingPaymentPayload* paid) noexcept nogil:
    """Contracts settle on the hour, the news of it comes a little later."""
    return (paid.event_ns + HOUR_NS // 2) // HOUR_NS


cdef class FundingBook:
    """One account's funding; OMS and the risk monitor keep one each, over the same records."""

    cdef int64_t take(self, uint32_t instrument_id, const FundingPaymentPayload* paid, int64_t* unnamed_e8) noexcept nogil:
        cdef int64_t moved_e8
        instrument_id = instrument_id % 512
        unnamed_e8[0] = 0
        self.newest_ns = max(self.newest_ns, paid.event_ns)
        if paid.is_answer:
            moved_e8 = self._listed(instrument_id, paid, unnamed_e8)
        else:
            moved_e8 = self._told(instrument_id, paid)
        self.paid_e8[instrument_id] = self.paid_e8[instrument_id] + moved_e8
        self.paid_e8[0] = self.paid_e8[0] - unnamed_e8[0]
        return moved_e8

    cdef int64_t _told(self, uint32_t instrument_id, const FundingPaymentPayload* paid) noexcept nogil:
        cdef FundingPaid* row = self._untold(paid) if instrument_id == 0 else NULL
        if row == NULL:
            row = self._place(instrument_id, paid)
        row.told += 1
        return paid.amount_e8 if row.told > row.listed else 0

    cdef int64_t _listed(self, uint32_t instrument_id, const FundingPaymentPayload* paid, int64_t* unnamed_e8) noexcept nogil:
        cdef FundingPaid* row = self._place(instrument_id, paid)
        cdef FundingPaid* unnamed = self._find(0, paid)
        cdef uint16_t i, booked = max(row.told, row.listed)
        row.listed = max(row.listed, max(<uint16_t> paid.payments, <uint16_t> 1))
        if row.listed <= booked:
            return 0
        for i in range(row.listed - booked):
            if instrument_id and unnamed != NULL and unnamed.told:
                # the stream told of it and not for which contract: now it is known
                unnamed.told -= 1
                row.told += 1
                unnamed_e8[0] = unnamed_e8[0] + paid.amount_e8
        return (row.listed - booked) * paid.amount_e8

    cdef FundingPaid* _find(self, uint32_t instrument_id, const FundingPaymentPayload* paid) noexcept nogil:
        cdef uint32_t i
        cdef FundingPaid* row
        for i in range(min(self.payment_count, <uint32_t> PAYMENTS_KEPT)):
            row = &self.payments[i]
            if (row.hour == _hour(paid) and row.instrument_id == instrument_id and row.asset_id == paid.asset_id
                    and row.amount_e8 == paid.amount_e8):
                return row
        return NULL

    cdef FundingPaid* _place(self, uint32_t instrument_id, const FundingPaymentPayload* paid) noexcept nogil:
        cdef FundingPaid* row = self._find(instrument_id, paid)
        if row == NULL:
            row = &self.payments[self.payment_count % PAYMENTS_KEPT]
            self.payment_count += 1
            row[0] = FundingPaid(_hour(paid), paid.amount_e8, instrument_id, paid.asset_id, 0, 0)
        return row

    cdef FundingPaid* _untold(self, const FundingPaymentPayload* paid) noexcept nogil:
        """A payment of some contract that the list has named and the stream has not told yet."""
        cdef uint32_t i
        cdef FundingPaid* row
        for i in range(min(self.payment_count, <uint32_t> PAYMENTS_KEPT)):
            row = &self.payments[i]
            if (row.hour == _hour(paid) and row.asset_id == paid.asset_id and row.amount_e8 == paid.amount_e8
                    and row.instrument_id and row.told < row.listed):
                return row
        return NULL

    def by_instrument(self) -> dict:
        """Paid (negative) and received by instrument id, in 10^-8 of the settle asset; 0: the venue did not say for which."""
        return {i: self.paid_e8[i] for i in range(512) if self.paid_e8[i]}
