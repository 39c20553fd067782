"""WebSockets over picows: bytes to a Session, bytes from it, nothing else.

The receiver stamps each data frame, gives it to the session and runs the pipeline: after every frame (own-order connections) or after
the last of a receive buffer, at the latest after 512 frames (market data). A frame's bytes belong to picows and are gone when the call returns. An exception in
the hot path closes the connection and reaches the application by `on_fatal`; picows would only log it.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy
from picows.picows cimport WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from engine.runtime.actor cimport Pipeline
from engine.runtime.clock cimport Clock
from engine.runtime.session cimport Link, Session

cdef enum:
    HEADER_ROOM = 16              # picows writes at most 14 bytes of header in front of a message
    SCRATCH_BYTES = 8192
    MESSAGE_BYTES_MAX = 16777216
    FRAMES_WAITING_MAX = 512      # a receive buffer grows to megabytes: its frames must not overrun the rings


cdef class WsLink(Link):
    """The way out of a session over a WebSocket. Messages are copied once, into a buffer that picows masks in place."""

    def __cinit__(self):
        self._reserve(SCRATCH_BYTES)

    def __dealloc__(self):
        free(self.scratch)

    cdef int _reserve(self, Py_ssize_t size) except -1:
        cdef char* grown = <char*> realloc(self.scratch, size + HEADER_ROOM)
        if grown == NULL:
            raise MemoryError("send buffer")
        self.scratch = grown
        self.scratch_bytes = size
        return 0

    cdef bint send(self, const char* data, Py_ssize_t size) except -1:
        """One text message. False: not connected, or the peer does not read (the socket's buffer is above its mark)."""
        if not self.is_open or self.is_congested or size > MESSAGE_BYTES_MAX:
            return False
        if size > self.scratch_bytes:
            self._reserve(size)
        memcpy(self.scratch + HEADER_ROOM, data, size)
        self.transport.send_reuse_external_buffer(WSMsgType.TEXT, self.scratch + HEADER_ROOM, size)
        self.messages_sent += 1
        return True

    cpdef close(self):
        """Close in order; the receiver's `on_closed` tells when it is done."""
        if not self.is_open:
            return
        self.is_open = False
        self.transport.send_close(WSCloseCode.OK)
        self.transport.disconnect()


cdef class WsReceiver(WSListener):
    """picows' listener for one connection of `session`.

    `on_fatal(exception)`: the hot path failed; `on_closed(reason)`: the connection has ended, after the session was told;
    `tap(bytes)`: who is to have a copy of every data frame (paper trading), after the session and before the pipeline runs.
    """

    def __init__(self, Session session not None, Pipeline pipeline not None, Clock clock not None, *, bint run_each_frame=False,
                 object on_fatal=None, object on_closed=None, object tap=None):
        self.session = session
        self.pipeline = pipeline
        self.clock = clock
        self.run_each_frame = run_each_frame
        self.on_fatal = on_fatal
        self.on_closed = on_closed
        self.tap = tap
        self.link = WsLink()
        self.fragments = bytearray()
        self._reason = "connection lost"

    cpdef on_ws_connected(self, WSTransport transport):
        self.link.transport = transport
        self.link.is_open = True
        self.last_frame_mono_ns = self.clock.mono_ns()
        self.session.link = self.link
        try:
            self.session.on_open()
            self.pipeline.run()
        except BaseException as failure:  # whatever it is, it must reach the application
            self._fail(transport, failure)

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef int64_t mono_ns = self.clock.begin_ns()
        if self.failure is not None:
            return
        try:
            self.last_frame_mono_ns = mono_ns
            self.take(transport, frame, mono_ns)
            self.frames_waiting += 1
            if self.run_each_frame or frame.last_in_buffer or self.frames_waiting >= FRAMES_WAITING_MAX:
                self.frames_waiting = 0
                self.pipeline.run()
        except BaseException as failure:  # whatever it is, it must reach the application
            self._fail(transport, failure)

    cdef int take(self, WSTransport transport, WSFrame frame, int64_t mono_ns) except -1:
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            return self.refuse(transport, WSCloseCode.PROTOCOL_ERROR, "frame with an extension that was not agreed on")
        if frame.msg_type == WSMsgType.TEXT or frame.msg_type == WSMsgType.BINARY:
            if self.in_message:
                return self.refuse(transport, WSCloseCode.PROTOCOL_ERROR, "new message inside a fragmented one")
            if not frame.fin:
                return self.take_fragment(transport, frame, mono_ns)
            self.data_frames += 1
            self.session.on_frame(frame.payload_ptr, frame.payload_size, mono_ns, self.clock.wall_at_ns(mono_ns))
            if self.tap is not None:
                self.tap(PyBytes_FromStringAndSize(frame.payload_ptr, frame.payload_size))
            return 1
        if frame.msg_type == WSMsgType.CONTINUATION:
            if not self.in_message:
                return self.refuse(transport, WSCloseCode.PROTOCOL_ERROR, "continuation of no message")
            return self.take_fragment(transport, frame, mono_ns)
        return self.take_control(transport, frame)

    cdef int take_fragment(self, WSTransport transport, WSFrame frame, int64_t mono_ns) except -1:
        """Put a fragmented message together; rare, so it may allocate."""
        cdef const char* whole
        if len(self.fragments) + frame.payload_size > MESSAGE_BYTES_MAX:
            return self.refuse(transport, WSCloseCode.MESSAGE_TOO_BIG, f"message above {MESSAGE_BYTES_MAX} bytes")
        self.fragments += PyBytes_FromStringAndSize(frame.payload_ptr, frame.payload_size)
        self.in_message = not frame.fin
        if self.in_message:
            return 0
        message = bytes(self.fragments)
        self.fragments.clear()
        whole = message
        self.data_frames += 1
        self.session.on_frame(whole, len(message), mono_ns, self.clock.wall_at_ns(mono_ns))
        if self.tap is not None:
            self.tap(message)
        return 1

    cdef int take_control(self, WSTransport transport, WSFrame frame) except -1:
        """A ping is answered with its own payload; a close is answered, and its code is the reason the session hears."""
        if frame.msg_type == WSMsgType.PING:
            self.pings += 1
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            text = frame.get_close_message()
            self._reason = f"closed by the peer, code {int(frame.get_close_code())}"
            if text:
                self._reason += ": " + text.decode("utf-8", "replace")
            self.link.is_open = False
            transport.send_close(frame.get_close_code() or WSCloseCode.OK)
            transport.disconnect()
        return 0

    cdef int refuse(self, WSTransport transport, int code, str reason) except -1:
        self._reason = f"connection refused by us: {reason}"
        self.link.is_open = False
        transport.send_close(<WSCloseCode> code, reason.encode())
        transport.disconnect()
        return 0

    def _fail(self, WSTransport transport, failure) -> None:
        self.failure = failure
        self.link.is_open = False
        self._reason = f"{type(failure).__name__}: {failure}"
        transport.disconnect(False)
        if self.on_fatal is None:
            raise failure
        self.on_fatal(failure)

    cpdef on_ws_disconnected(self, WSTransport transport):
        """Called once, whoever ended it."""
        self.link.is_open = False
        try:
            self.session.on_close(self._reason)
            self.pipeline.run()
        except BaseException as failure:  # whatever it is, it must reach the application
            if self.failure is None:
                self._fail(transport, failure)
        finally:
            if self.on_closed is not None:
                self.on_closed(self._reason)

    cpdef pause_writing(self):
        self.link.is_congested = True

    cpdef resume_writing(self):
        self.link.is_congested = False

    def ping(self) -> None:
        """Ask the peer for a sign of life: whatever frame comes next is one."""
        if self.link.is_open:
            self.link.transport.send_ping(b"")

    def lose(self, str reason) -> None:
        """Drop the connection at once (silent for too long, rotation): no closing handshake is waited for."""
        if self.link.transport is None:
            return
        self._reason = reason
        self.link.is_open = False
        self.link.transport.disconnect(False)
