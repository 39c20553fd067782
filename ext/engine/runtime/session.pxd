"""Venue code without sockets: a Session is given bytes and timers and gives bytes; a Link carries them.

picows is one Link, the simulation another. A Link calls `on_frame` once per frame and `Pipeline.run` after the last frame of
a receive buffer. `data` is valid only during the call: what is kept is copied (into claimed journal space).
"""
from libc.stdint cimport int64_t, uint32_t

cdef class Link:
    """The way out of a session. `send` copies or writes the bytes before it returns; False = not connected."""
    cdef readonly bint is_open
    cdef bint send(self, const char* data, Py_ssize_t size) except -1
    cpdef close(self)

cdef class Session:
    cdef readonly uint32_t session_id
    cdef readonly str name
    cdef public Link link
    cdef int on_frame(self, const char* data, Py_ssize_t size, int64_t mono_ns, int64_t wall_ns) except -1
    cpdef on_open(self)
    cpdef on_close(self, str reason)
