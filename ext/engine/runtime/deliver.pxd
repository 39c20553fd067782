"""One frame given to a session and run to completion, for callers that have no connection."""
from engine.runtime.actor cimport Pipeline
from engine.runtime.clock cimport Clock
from engine.runtime.session cimport Session

cpdef void deliver(Session session, Pipeline pipeline, Clock clock, bytes frame) except *
