"""WebSockets over picows: bytes to a Session, bytes from it, nothing else."""
from libc.stdint cimport int64_t, uint64_t
from picows.picows cimport WSFrame, WSListener, WSTransport
from engine.runtime.actor cimport Pipeline
from engine.runtime.clock cimport Clock
from engine.runtime.session cimport Link, Session

cdef class WsLink(Link):
    cdef WSTransport transport
    cdef char* scratch
    cdef Py_ssize_t scratch_bytes
    cdef readonly bint is_congested
    cdef readonly uint64_t messages_sent
    cdef int _reserve(self, Py_ssize_t size) except -1

cdef class WsReceiver(WSListener):
    cdef readonly WsLink link
    cdef readonly Session session
    cdef Pipeline pipeline
    cdef Clock clock
    cdef bint run_each_frame
    cdef object on_fatal
    cdef object on_closed
    cdef object tap                              # told of each whole data frame after the session, or None
    cdef bytearray fragments
    cdef bint in_message
    cdef int frames_waiting                      # taken since the pipeline ran
    cdef readonly int64_t last_frame_mono_ns     # of any kind: a ping shows that the connection lives
    cdef readonly uint64_t data_frames
    cdef readonly uint64_t pings
    cdef readonly object failure                 # the exception that ended the connection, if one did
    cdef str _reason
    cdef int take(self, WSTransport transport, WSFrame frame, int64_t mono_ns) except -1
    cdef int take_fragment(self, WSTransport transport, WSFrame frame, int64_t mono_ns) except -1
    cdef int take_control(self, WSTransport transport, WSFrame frame) except -1
    cdef int refuse(self, WSTransport transport, int code, str reason) except -1
