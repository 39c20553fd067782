"""One pass over the ledger of earlier runs, for every stage that rebuilds its state from it."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from engine.journal.cursor cimport RecordSink
from engine.model.approval cimport ApprovalRegister
from engine.model.records cimport RecordHeader
from engine.model.tables cimport Tables
from engine.risk.monitor cimport RiskMonitor

cdef class LedgerFold(RecordSink):
    cdef Tables tables
    cdef ApprovalRegister register
    cdef list lines                    # of Oms, by number
    cdef RiskMonitor monitor
    cdef object execution              # engine.execution.rebuild.Ledger
    cdef dict _owners                  # its order handles
    cdef uint8_t[256] _takers          # by kind: bits of who wants it
    cdef readonly uint64_t records     # given, of whatever kind
    cdef readonly uint64_t used
    cdef readonly uint64_t last_seq    # of the latest record given; 0 = none
    cdef readonly uint32_t last_epoch
    cdef readonly uint16_t last_kind
    cdef readonly uint32_t last_crc32c
    cdef int _take_by_lines(self, const RecordHeader* record) except -1
    cdef int _take_by_execution(self, const RecordHeader* record) except -1
