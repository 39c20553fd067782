"""Client order ids that name their order: engine, epoch and counter in base 62, and a check character.

The epoch is fenced on disk at each start, so an id is unique for the life of an account; the strictest venues take 18
characters of [0-9A-Za-z], we use 14. The check character is a weighted sum modulo 62 with odd weights other than 31, which finds
every single wrong character.
"""
from libc.stdint cimport int8_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef const char* DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
cdef int8_t[256] VALUES


cdef void _fill_values() noexcept:
    cdef int i
    for i in range(256):
        VALUES[i] = -1
    for i in range(62):
        VALUES[<uint8_t> DIGITS[i]] = <int8_t> i


_fill_values()


cdef inline uint32_t _put_pair(char* out, uint32_t pair, uint32_t place) noexcept nogil:
    """Two digits of base 62 at `place`; their share of the check sum."""
    cdef uint32_t high = pair / 62, low = pair % 62
    out[place] = DIGITS[high]
    out[place + 1] = DIGITS[low]
    return high * (2 * place + 1) + low * (2 * place + 3)


cdef inline int _check(const char* text) noexcept nogil:
    cdef int i, total = 0
    for i in range(CLIENT_ID_LENGTH - 1):
        total += VALUES[<uint8_t> text[i]] * (2 * i + 1)
    return total % 62


cdef int encode_client_id(uint16_t engine_id, uint64_t order_handle, char* out) noexcept nogil:
    cdef uint32_t epoch = <uint32_t> (order_handle >> 32), counter = <uint32_t> order_handle, total, rest
    if engine_id > ENGINE_ID_MAX or epoch > EPOCH_MAX or order_handle == 0:
        return 0
    # by pairs of digits, of which none waits for the one before: once or twice for every order
    total = _put_pair(out, engine_id, 0)
    rest = epoch / 62
    total += _put_pair(out, rest / 3844, 2) + _put_pair(out, rest % 3844, 4)
    out[6] = DIGITS[epoch % 62]
    total += (epoch % 62) * 13
    total += _put_pair(out, counter / 14776336, 7) + _put_pair(out, counter / 3844 % 3844, 9) + _put_pair(out, counter % 3844, 11)
    out[CLIENT_ID_LENGTH - 1] = DIGITS[total % 62]
    return 1


cdef inline bint _take(const char* text, int width, uint64_t* value) noexcept nogil:
    cdef int i, digit
    value[0] = 0
    for i in range(width):
        digit = VALUES[<uint8_t> text[i]]
        if digit < 0:
            return False
        value[0] = value[0] * 62 + digit
    return True


cdef uint64_t decode_client_id(const char* text, Py_ssize_t length, uint16_t* engine_id) noexcept nogil:
    cdef uint64_t engine, epoch, counter
    if length != CLIENT_ID_LENGTH:
        return 0
    if not (_take(text, 2, &engine) and _take(text + 2, 5, &epoch) and _take(text + 7, 6, &counter)):
        return 0
    if counter >> 32 or VALUES[<uint8_t> text[CLIENT_ID_LENGTH - 1]] != _check(text):
        return 0
    if engine_id != NULL:
        engine_id[0] = <uint16_t> engine
    return (epoch << 32) | counter


def encode(int engine_id, unsigned long long order_handle) -> str:
    """The client order id of a handle; ValueError where engine id (0..3843), epoch or handle do not fit."""
    cdef char[CLIENT_ID_LENGTH] out
    if not 0 <= engine_id <= ENGINE_ID_MAX or not encode_client_id(<uint16_t> engine_id, order_handle, out):
        raise ValueError(f"engine {engine_id}, handle {order_handle:#x}: no client order id holds them")
    return out[:CLIENT_ID_LENGTH].decode()


def decode(str text) -> int:
    """The order handle in a client order id of any engine; 0 where it is none of ours."""
    cdef bytes data = text.encode()
    return decode_client_id(<const char*> data, len(data), NULL)


def decode_engine(str text) -> int:
    """The engine id in a client order id; -1 where it is none of ours."""
    cdef bytes data = text.encode()
    cdef uint16_t engine_id = 0
    if decode_client_id(<const char*> data, len(data), &engine_id) == 0:
        return -1
    return engine_id
