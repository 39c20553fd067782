"""Numbers from Python that go into fields of so many bits: refused by name where they do not fit, never cut."""
from libc.stdint cimport uint32_t


cdef inline uint32_t checked_field(str name, object value, int bits) except? 0xFFFFFFFF:
    """`value` as a field of 1 to 32 bits. OverflowError that names it where it is negative or too great."""
    cdef long number
    try:
        number = value
    except OverflowError:
        number = -1
    if number < 0 or number >> bits:
        raise OverflowError(f"{name} {value} does not fit into {bits} bits")
    return <uint32_t> number
