from engine.runtime.actor import Pipeline
from engine.runtime.clock import Clock
from engine.runtime.session import Session

def deliver(session: Session, pipeline: Pipeline, clock: Clock, frame: bytes) -> None: ...
