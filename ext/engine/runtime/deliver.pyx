"""One frame as the receiver of a connection gives it, without the connection: benchmarks, and simulations on a real clock."""
from libc.stdint cimport int64_t

from engine.runtime.actor cimport Pipeline
from engine.runtime.clock cimport Clock
from engine.runtime.session cimport Session


cpdef void deliver(Session session, Pipeline pipeline, Clock clock, bytes frame) except *:
    """Stamp the frame now, give it to the session, run to completion: what `WsReceiver` does for a frame that stands alone."""
    if session is None or pipeline is None or clock is None or frame is None:
        raise TypeError("deliver takes a session, a pipeline, a clock and a frame")
    cdef const char* data = frame
    cdef int64_t mono_ns = clock.begin_ns()
    session.on_frame(data, len(frame), mono_ns, clock.wall_ns())
    pipeline.run()


cpdef int64_t deliver_ns(Session session, Pipeline pipeline, Clock clock, bytes frame) except -1:
    """`deliver`, and how long it took by the monotonic clock: what the caller's own call costs is not in it."""
    cdef int64_t begin_ns
    if clock is None:
        raise TypeError("deliver_ns takes a clock")
    begin_ns = clock.mono_ns()
    deliver(session, pipeline, clock, frame)
    return clock.mono_ns() - begin_ns
