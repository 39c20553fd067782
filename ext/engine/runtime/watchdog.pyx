"""The hang watchdog: a C thread that never takes the GIL, so that it works while Python is stuck.

It samples a number that the main thread makes odd before and even after a strategy's callback: no clock is read on the hot
path. A callback that is still the same one after `turn_ms_max` gets a signal, whose Python handler raises `StrategyHang`
inside it; again each period for as long as it goes on. A process that makes no progress for `abort_after_ms` is stuck in C
code, where no handler can run: it is aborted, and restarts HALTED. Time is counted in the watchdog's own samples, so that a
stopped or starved process, whose watchdog stood still too, is not taken for a hung one.
"""
import signal
import threading

from libc.string cimport memset

from engine.model.codes cimport COUNTER_HEARTBEAT_MONO_NS
from engine.runtime.actor cimport Actor
from engine.runtime.clock cimport Clock
from engine.runtime.counters cimport Counters

cdef extern from *:
    """
    #include <errno.h>
    #include <signal.h>
    #include <stdlib.h>
    #include <string.h>
    #include <time.h>
    #include <unistd.h>

    static void tw_watchdog_abort(const char *cause) {
        (void)!write(2, cause, strlen(cause));
        abort();
    }

    static void tw_watchdog_sleep(tw_watchdog *w) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + w->period_ns;
        until.tv_sec += ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
        pthread_mutex_lock(&w->mutex);
        while (!w->stop && pthread_cond_timedwait(&w->wake, &w->mutex, &until) != ETIMEDOUT) {}
        pthread_mutex_unlock(&w->mutex);
    }

    static void *tw_watchdog_main(void *argument) {
        tw_watchdog *w = (tw_watchdog *)argument;
        uint64_t turn_seen = 0, progress_seen = 0;
        uint32_t turn_ticks = 0, turn_ticks_total = 0, progress_ticks = 0;
        for (;;) {
            tw_watchdog_sleep(w);
            if (__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) return NULL;
            w->ticks++;
            uint64_t turn = __atomic_load_n(&w->turn, __ATOMIC_ACQUIRE);
            uint64_t progress = __atomic_load_n(&w->progress, __ATOMIC_ACQUIRE);
            if (turn != turn_seen || !(turn & 1)) {
                turn_seen = turn;
                turn_ticks = turn_ticks_total = 0;
            } else {
                turn_ticks++;
                turn_ticks_total++;
                if (turn_ticks >= w->turn_ticks_max) {
                    turn_ticks = 0;
                    __atomic_store_n(&w->interrupted, turn, __ATOMIC_RELEASE);
                    w->interrupts++;
                    pthread_kill(w->target, w->signal_number);
                }
                if (w->abort_ticks_max && turn_ticks_total >= w->abort_ticks_max)
                    tw_watchdog_abort("tradewind: a strategy hangs in C code: aborted by the watchdog\\n");
            }
            if (progress != progress_seen || progress == 0) {
                progress_seen = progress;
                progress_ticks = 0;
            } else if (w->abort_ticks_max && ++progress_ticks >= w->abort_ticks_max) {
                tw_watchdog_abort("tradewind: the engine makes no progress: aborted by the watchdog\\n");
            }
        }
    }

    static int tw_watchdog_start(tw_watchdog *w) {
        pthread_condattr_t attributes;
        sigset_t all, before;
        int error;
        w->target = pthread_self();
        w->stop = 0;
        pthread_mutex_init(&w->mutex, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&w->wake, &attributes);
        pthread_condattr_destroy(&attributes);
        /* signals meant for the process must reach the main thread, never this one */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        error = pthread_create(&w->thread, NULL, tw_watchdog_main, w);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (error == 0) pthread_setname_np(w->thread, "watchdog");
        return error;
    }

    static void tw_watchdog_stop(tw_watchdog *w) {
        pthread_mutex_lock(&w->mutex);
        __atomic_store_n(&w->stop, 1, __ATOMIC_RELEASE);
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->mutex);
        pthread_join(w->thread, NULL);
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->mutex);
    }
    """
    int tw_watchdog_start(tw_watchdog* state) noexcept nogil
    void tw_watchdog_stop(tw_watchdog* state) noexcept nogil

cdef enum:
    TICKS_PER_TURN = 4


class StrategyHang(BaseException):
    """Raised inside a strategy's callback that ran longer than `strategy_turn_ms_max`.

    A BaseException, so that `except Exception` in a strategy does not swallow it.
    """


cdef class Watchdog:
    """Interrupts strategies that hang; aborts a process that is stuck.

    `turn_ms_max`: how long one callback may run (4 ms at least). `abort_after_ms`: 0 = never abort. `signal_number`: SIGUSR2
    unless told. `start` belongs on the main thread, where Python runs signal handlers.
    """

    def __cinit__(self, int turn_ms_max, int abort_after_ms=0, int signal_number=signal.SIGUSR2):
        memset(&self.state, 0, sizeof(tw_watchdog))
        if turn_ms_max < TICKS_PER_TURN:
            raise ValueError(f"strategy_turn_ms_max is {turn_ms_max}: a turn may be given {TICKS_PER_TURN} ms at least")
        if abort_after_ms != 0 and abort_after_ms < 2 * turn_ms_max:
            raise ValueError(f"abort_after_ms is {abort_after_ms}: a hang must be interrupted before the process is aborted")
        self.turn_ms_max = turn_ms_max
        self.abort_after_ms = abort_after_ms
        self.state.period_ns = <int64_t> turn_ms_max * 1_000_000 // TICKS_PER_TURN
        self.state.turn_ticks_max = TICKS_PER_TURN
        self.state.abort_ticks_max = <unsigned int> (<int64_t> abort_after_ms * 1_000_000 // self.state.period_ns)
        self.state.signal_number = signal_number
        self._actors = []
        self._polls_seen = []

    def __dealloc__(self):
        if self.is_running:
            tw_watchdog_stop(&self.state)

    @property
    def interrupts(self) -> int:
        """Signals sent to hanging callbacks so far."""
        return self.state.interrupts

    @property
    def ticks(self) -> int:
        """Samples taken so far."""
        return self.state.ticks

    def start(self) -> None:
        """Install the signal's handler and start the thread. Raises RuntimeError off the main thread."""
        if self.is_running:
            return
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("the watchdog is started on the main thread: only there Python runs signal handlers")
        self._previous_handler = signal.signal(self.state.signal_number, self._interrupt)
        error = tw_watchdog_start(&self.state)
        if error:
            signal.signal(self.state.signal_number, self._previous_handler)
            raise OSError(error, "the watchdog's thread cannot be started")
        self.is_running = True

    def stop(self) -> None:
        """Stop the thread and give the signal back."""
        if not self.is_running:
            return
        tw_watchdog_stop(&self.state)
        self.is_running = False
        signal.signal(self.state.signal_number, self._previous_handler)

    def _interrupt(self, signum, frame) -> None:
        # a signal that arrives after its callback has returned must not hit whatever runs then
        if self.state.turn & 1 and tw_turn_was_interrupted(&self.state):
            raise StrategyHang(f"the callback ran longer than {self.turn_ms_max} ms")

    def watch(self, actors) -> None:
        """The actors whose polls `progress` demands."""
        self._actors = list(actors)
        for actor in self._actors:
            if not isinstance(actor, Actor):
                raise TypeError(f"{actor!r} is not an Actor")
        self._polls_seen = [None] * len(self._actors)

    def progress(self, Counters counters=None, Clock clock=None) -> bool:
        """True when every watched actor was polled since the last call that returned True; then the heartbeat is stamped.

        Feeds the abort timer, which starts with the first call, and the venue's dead-man switch: send its beat only on True.
        """
        polls = [(<Actor> actor).polls for actor in self._actors]
        if any(now == seen for now, seen in zip(polls, self._polls_seen)):
            return False
        self._polls_seen = polls
        self.state.progress += 1
        if counters is not None and clock is not None:
            counters.values[<int> COUNTER_HEARTBEAT_MONO_NS] = <uint64_t> clock.mono_ns()
        return True
