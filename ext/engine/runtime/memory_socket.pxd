"""A connection within the process: bytes to a Session, bytes from it, no socket."""
from libc.stdint cimport int64_t, uint64_t
from engine.runtime.actor cimport Pipeline
from engine.runtime.clock cimport Clock
from engine.runtime.session cimport Link, Session

cdef class CallLink(Link):
    cdef object _deliver
    cdef object _hang_up
    cdef readonly uint64_t messages_sent
    cdef int open(self) except -1
    cdef int shut(self) except -1

cdef class MemoryReceiver:
    cdef readonly CallLink link
    cdef readonly Session session
    cdef Pipeline pipeline
    cdef Clock clock
    cdef bint run_each_frame
    cdef object on_ping
    cdef object on_fatal
    cdef object on_closed
    cdef object tap
    cdef readonly int64_t last_frame_mono_ns
    cdef readonly uint64_t data_frames
    cdef readonly object failure
    cdef bint _has_ended
    cdef str _reason
    cdef object _hang_up
