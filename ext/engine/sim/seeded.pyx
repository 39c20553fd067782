"""The venue's own seeded generator (splitmix64): the same seed gives the same market on every machine."""
from libc.math cimport cos, exp, log, sin, sqrt
from libc.stdint cimport uint64_t

cdef extern from *:
    """
    static inline unsigned long long tw_scaled(unsigned long long bits, unsigned long long bound) {
        return (unsigned long long)(((unsigned __int128) bits * bound) >> 64);
    }
    """
    uint64_t tw_scaled(uint64_t bits, uint64_t bound) noexcept nogil

cdef double TO_UNIT = 1.0 / (<uint64_t> 1 << 53)
cdef double TURN = 6.283185307179586
cdef str ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


cdef class SeededRandom:
    """A deterministic stream of numbers; constants of splitmix64 after Steele, Lea and Flood (2014)."""

    def __init__(self, object seed not None):
        self.state = <uint64_t> (seed & 0xFFFFFFFFFFFFFFFF)
        self.has_spare = False

    cdef uint64_t next(self) noexcept nogil:
        cdef uint64_t z
        self.state += <uint64_t> 0x9E3779B97F4A7C15
        z = self.state
        z = (z ^ (z >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
        z = (z ^ (z >> 27)) * <uint64_t> 0x94D049BB133111EB
        return z ^ (z >> 31)

    cpdef uint64_t bits64(self):
        """Return 64 random bits."""
        return self.next()

    cpdef double unit(self):
        """Return a float in [0, 1)."""
        return <double> (self.next() >> 11) * TO_UNIT

    cpdef double between(self, double low, double high):
        """Return a float in [low, high)."""
        return low + (high - low) * self.unit()

    cpdef uint64_t below(self, uint64_t bound):
        """Return an int in [0, bound)."""
        return tw_scaled(self.next(), bound)

    cpdef bint chance(self, double probability):
        """Return True with ``probability``."""
        return self.unit() < probability

    cpdef double exponential(self, double mean):
        """Return a waiting time of a Poisson process."""
        return -mean * log(1.0 - self.unit())

    cpdef double gauss(self):
        """Return a standard normal number (Box-Muller, one spare kept)."""
        cdef double radius, angle
        if self.has_spare:
            self.has_spare = False
            return self.spare
        radius = sqrt(-2.0 * log(1.0 - self.unit()))
        angle = TURN * self.unit()
        self.spare = radius * sin(angle)
        self.has_spare = True
        return radius * cos(angle)

    cpdef double lognormal(self, double mean, double sigma):
        """Return a positive number with the given mean."""
        return mean * exp(sigma * self.gauss() - 0.5 * sigma * sigma)

    def name(self, int length) -> str:
        """Return random letters and digits."""
        return "".join([ALPHABET[self.below(62)] for _ in range(length)])
