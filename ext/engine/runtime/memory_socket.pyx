"""A connection within the process, for simulations and paper trading: what picows is to a socket, without one.

It keeps the order of calls of `engine.runtime.wslink`: a frame is stamped, given to the session, and the pipeline runs after every
frame or after the last of those that arrived together. What the session sends is handed to a callable, which must not answer at
once: a session is never entered again from within its own `send`.
"""
from engine.runtime.actor cimport Pipeline
from engine.runtime.clock cimport Clock
from engine.runtime.session cimport Link, Session


cdef class CallLink(Link):
    """The way out: each message becomes a call of `deliver(bytes)`; `hang_up()` is called once when the session closes it."""

    def __init__(self, deliver, hang_up):
        self._deliver = deliver
        self._hang_up = hang_up

    cdef int open(self) except -1:
        self.is_open = True
        return 0

    cdef int shut(self) except -1:
        self.is_open = False
        return 0

    cdef bint send(self, const char* data, Py_ssize_t size) except -1:
        if not self.is_open:
            return False
        self.messages_sent += 1
        self._deliver(data[:size])
        return True

    cpdef close(self):
        """Close in order; the receiver's `on_closed` tells when it is done."""
        if self.is_open:
            self.is_open = False
            self._hang_up()


cdef class MemoryReceiver:
    """One end of a connection of `session`.

    `deliver(bytes)` takes what it sends, `hang_up()` ends the connection from this end, `on_ping()` asks the peer for a sign of life;
    `on_fatal(exception)`, `on_closed(reason)` and `tap(bytes)` are those of `WsReceiver`.
    """

    def __init__(self, Session session not None, Pipeline pipeline not None, Clock clock not None, object deliver, object hang_up, *,
                 bint run_each_frame=False, object on_ping=None, object on_fatal=None, object on_closed=None,
                 object tap=None):
        self.session = session
        self.pipeline = pipeline
        self.clock = clock
        self.run_each_frame = run_each_frame
        self.on_ping = on_ping
        self.on_fatal = on_fatal
        self.on_closed = on_closed
        self.tap = tap
        self.link = CallLink(deliver, hang_up)
        self._hang_up = hang_up
        self._reason = "connection lost"

    def open(self) -> None:
        """The connection stands."""
        self.last_frame_mono_ns = self.clock.mono_ns()
        self.link.open()
        self.session.link = self.link
        try:
            self.session.on_open()
            self.pipeline.run()
        except BaseException as failure:  # whatever it is, it must reach the application
            self._fail(failure)

    def take(self, list frames) -> None:
        """Frames (bytes) that arrived together."""
        cdef bytes frame
        cdef Py_ssize_t left = len(frames)
        if self.failure is not None or not self.link.is_open:
            return
        try:
            for frame in frames:
                left -= 1
                self.last_frame_mono_ns = self.clock.begin_ns()
                self.data_frames += 1
                self.session.on_frame(frame, len(frame), self.last_frame_mono_ns, self.clock.wall_ns())
                if self.tap is not None:
                    self.tap(frame)
                if self.run_each_frame or left == 0:
                    self.pipeline.run()
                if not self.link.is_open:
                    return
        except BaseException as failure:  # whatever it is, it must reach the application
            self._fail(failure)

    def touch(self) -> None:
        """A sign of life that carries nothing: a ping or a pong."""
        self.last_frame_mono_ns = self.clock.mono_ns()

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        if self.link.is_open and self.on_ping is not None:
            self.on_ping()

    def lose(self, str reason) -> None:
        """Drop the connection at once, from this end."""
        if self._has_ended:
            return
        self._reason = reason
        self.link.shut()
        self._hang_up()

    def _fail(self, failure) -> None:
        self.failure = failure
        self._reason = f"{type(failure).__name__}: {failure}"
        self.link.shut()
        self._hang_up()
        if self.on_fatal is None:
            raise failure
        self.on_fatal(failure)

    def end(self, str reason="") -> None:
        """The connection is gone, whoever ended it; called once by whoever carries it."""
        if self._has_ended:
            return
        self._has_ended = True
        self.link.shut()
        if reason:
            self._reason = reason
        try:
            self.session.on_close(self._reason)
            self.pipeline.run()
        except BaseException as failure:  # whatever it is, it must reach the application
            if self.failure is None:
                self._fail(failure)
        finally:
            if self.on_closed is not None:
                self.on_closed(self._reason)
