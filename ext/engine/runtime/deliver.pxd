"""One frame given to a session and run to completion, for callers that have no connection."""
from libc.stdint cimport int64_t

from engine.runtime.actor cimport Pipeline
from engine.runtime.clock cimport Clock
from engine.runtime.session cimport Session

cpdef void deliver(Session session, Pipeline pipeline, Clock clock, bytes frame) except *
cpdef int64_t deliver_ns(Session session, Pipeline pipeline, Clock clock, bytes frame) except -1
