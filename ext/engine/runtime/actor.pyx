"""What every stage is, and what runs them: one thread, one direction, run to completion."""
from libc.stdlib cimport calloc, free

cdef enum:
    ROUNDS_MAX = 100000


cdef class Actor:
    """A stage. Subclasses implement `do_work`."""

    def __init__(self, str name, *args, **kwargs):
        self.name = name

    cdef int do_work(self) except -1:
        raise TypeError(f"{self.name}: do_work is missing")

    def step(self) -> int:
        """One `do_work` from Python (tests)."""
        return self.do_work()


cdef class Pipeline:
    """The actors in flow order."""

    def __init__(self, actors):
        self._actors = list(actors)
        for actor in self._actors:
            if not isinstance(actor, Actor):
                raise TypeError(f"{actor!r} is not an Actor")
        free(self._places)
        self._count = 0
        self._places = <void**> calloc(len(self._actors) + 1, sizeof(void*))
        if self._places == NULL:
            raise MemoryError("pipeline")
        for actor in self._actors:
            self._places[self._count] = <void*> actor
            self._count += 1

    def __dealloc__(self):
        free(self._places)

    @property
    def actors(self) -> tuple:
        return tuple(self._actors)

    cdef int run(self) except -1:
        """Run to completion. Re-entrant calls (a send that delivers at once) return at once: the outer run goes on."""
        cdef int total = 0, idle = 0, place = 0, count
        cdef void* actor
        if self.running:
            return 0
        self.running = True
        self.runs += 1
        self.round_now = 0
        try:
            # at rest where as many looks as there are actors, one behind the other, found nothing to do
            while idle < self._count:
                actor = self._places[place]
                count = (<Actor> actor).do_work()
                # no `+=` here: on an attribute of a cast Cython would count a reference
                (<Actor> actor).polls = (<Actor> actor).polls + 1
                idle += 1
                place += 1
                if count:
                    (<Actor> actor).work = (<Actor> actor).work + count
                    total += count
                    idle = 0
                if place == self._count:
                    place = 0
                    self.round_now += idle < self._count
                    if self.round_now > ROUNDS_MAX:
                        raise RuntimeError("the pipeline does not come to rest: two actors feed one another")
            self.rounds += self.round_now
            return total
        finally:
            self.running = False

    def run_to_completion(self) -> int:
        """Run until idle; returns the work done."""
        return self.run()
