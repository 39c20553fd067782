"""What every stage is, and what runs them: one thread, one direction, run to completion."""

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

    @property
    def actors(self) -> tuple:
        return tuple(self._actors)

    cdef int run(self) except -1:
        """Run to completion. Re-entrant calls (a send that delivers at once) return at once: the outer run goes on."""
        cdef int total = 0, done, count
        cdef Actor actor
        cdef uint64_t rounds = 0
        if self.running:
            return 0
        self.running = True
        try:
            while True:
                done = 0
                for item in self._actors:
                    actor = <Actor> item
                    count = actor.do_work()
                    actor.polls += 1
                    actor.work += count
                    done += count
                if done == 0:
                    return total
                total += done
                rounds += 1
                self.rounds += 1
                if rounds > ROUNDS_MAX:
                    raise RuntimeError("the pipeline does not come to rest: two actors feed one another")
        finally:
            self.running = False

    def run_to_completion(self) -> int:
        """Run until idle; returns the work done."""
        return self.run()
