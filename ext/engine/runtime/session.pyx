"""Venue code without sockets: see session.pxd."""


cdef class Link:
    """The way out of a session."""

    cdef bint send(self, const char* data, Py_ssize_t size) except -1:
        return False

    cpdef close(self):
        self.is_open = False

    def send_bytes(self, bytes data) -> bool:
        """Send from Python (subscriptions, log-on, tests)."""
        return self.send(data, len(data))


cdef class MemoryLink(Link):
    """A link to nowhere that keeps what was sent: simulation and tests."""
    cdef public list sent

    def __init__(self):
        self.sent = []
        self.is_open = True

    cdef bint send(self, const char* data, Py_ssize_t size) except -1:
        if not self.is_open:
            return False
        self.sent.append(data[:size])
        return True


cdef class Session:
    """One connection's protocol state. Subclasses implement the four calls."""

    def __init__(self, str name, uint32_t session_id, *args, **kwargs):
        self.name = name
        self.session_id = session_id

    cdef int on_frame(self, const char* data, Py_ssize_t size, int64_t mono_ns, int64_t wall_ns) except -1:
        raise TypeError(f"session {self.name}: on_frame is missing")

    cpdef on_open(self):
        pass

    cpdef on_close(self, str reason):
        pass

    def feed(self, bytes data, int64_t mono_ns, int64_t wall_ns) -> int:
        """Give one frame from Python (simulation, replay, tests)."""
        return self.on_frame(data, len(data), mono_ns, wall_ns)
