"""The hang watchdog: a C thread that never takes the GIL."""
from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #ifndef TW_WATCHDOG_STATE
    #define TW_WATCHDOG_STATE
    #include <pthread.h>
    #include <stdint.h>
    typedef struct {
        uint64_t turn;            /* odd while a strategy's code runs; only the main thread writes it */
        uint64_t progress;        /* counts polls of the whole pipeline; only the main thread writes it */
        uint64_t interrupted;     /* the turn that was interrupted last; only the watchdog writes it */
        uint64_t interrupts;      /* signals sent */
        uint64_t ticks;           /* samples taken */
        uint32_t turn_ticks_max;  /* samples of one turn before it is interrupted */
        uint32_t abort_ticks_max; /* samples without progress before the process is aborted; 0 = never */
        int64_t period_ns;
        int signal_number;
        int stop;
        pthread_t target, thread;
        pthread_mutex_t mutex;
        pthread_cond_t wake;
    } tw_watchdog;
    static inline void tw_turn_begin(tw_watchdog *w) { __atomic_store_n(&w->turn, w->turn + 1, __ATOMIC_RELEASE); }
    static inline void tw_turn_end(tw_watchdog *w) { __atomic_store_n(&w->turn, w->turn + 1, __ATOMIC_RELEASE); }
    static inline int tw_turn_was_interrupted(tw_watchdog *w) {
        return __atomic_load_n(&w->interrupted, __ATOMIC_ACQUIRE) == w->turn;
    }
    #endif
    """
    ctypedef struct tw_watchdog:
        uint64_t turn
        uint64_t progress
        uint64_t interrupted
        uint64_t interrupts
        uint64_t ticks
        unsigned int turn_ticks_max
        unsigned int abort_ticks_max
        int64_t period_ns
        int signal_number
        int stop
    void tw_turn_begin(tw_watchdog* state) noexcept nogil
    void tw_turn_end(tw_watchdog* state) noexcept nogil
    bint tw_turn_was_interrupted(tw_watchdog* state) noexcept nogil

cdef class Watchdog:
    cdef tw_watchdog state
    cdef readonly bint is_running
    cdef object _previous_handler
    cdef readonly int turn_ms_max
    cdef readonly int abort_after_ms
    cdef list _actors
    cdef list _polls_seen
