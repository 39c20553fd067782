"""Publishing from compiled code, without a row for what nobody watches."""
from libc.stdint cimport int64_t
from engine.book.matching cimport MatchingEngine

cdef int publish_operation(MatchingEngine engine, object floor, object listing, int side, int64_t price, int64_t now_ns) except -1
