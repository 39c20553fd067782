"""HMAC-SHA256 (RFC 2104) over request parameters, as the venue wants them: hex, lower case.

The secret is hashed into the two pads at once and not kept. `set_prefix` hashes what every message starts with
("apiKey=...&": whole blocks of it), so that a signed order costs only its own parameters.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from "engine/runtime/sha256.h" nogil:
    const uint32_t* TW_SHA_START
    tw_sha256_block tw_sha256_best(int is_plain)
    void tw_sha256_finish(tw_sha256_block block, uint32_t* state, uint64_t done, const uint8_t* data, size_t size, uint8_t* digest)
    void tw_hex(const uint8_t* digest, char* out)


cdef class HmacSigner:
    """Signs with `secret` (1 byte or more). `plain`: without the processor's SHA instructions (tests)."""

    def __cinit__(self, bytes secret not None, *, bint plain=False):
        cdef uint8_t[64] pad
        cdef uint8_t[64] key
        cdef uint32_t[8] state
        cdef int i
        if not secret:
            raise ValueError("an empty secret signs nothing")
        self._block = tw_sha256_best(plain)
        memset(key, 0, 64)
        if len(secret) > 64:
            memcpy(state, TW_SHA_START, 32)
            tw_sha256_finish(self._block, state, 0, <const uint8_t*> <const char*> secret, len(secret), key)
        else:
            memcpy(key, <const char*> secret, len(secret))
        for i in range(64):
            pad[i] = key[i] ^ 0x36
        memcpy(self._inner, TW_SHA_START, 32)
        self._block(self._inner, pad)
        for i in range(64):
            pad[i] = key[i] ^ 0x5C
        memcpy(self._outer, TW_SHA_START, 32)
        self._block(self._outer, pad)
        memset(key, 0, 64)
        memset(pad, 0, 64)
        memcpy(self._prefixed, self._inner, 32)
        self._prefixed_bytes = 64

    def __reduce__(self):
        raise TypeError("a signer holds a key: it is neither pickled nor copied")

    def set_prefix(self, bytes prefix not None) -> None:
        """What every message of `sign_after_prefix` starts with."""
        cdef size_t whole = len(prefix) // 64 * 64, at = 0
        cdef const char* data = prefix
        memcpy(self._prefixed, self._inner, 32)
        while at < whole:
            self._block(self._prefixed, <const uint8_t*> data + at)
            at += 64
        self._prefixed_bytes = 64 + whole
        self._rest_size = <uint32_t> (len(prefix) - whole)
        memcpy(self._rest, data + whole, self._rest_size)

    cdef void sign(self, const char* data, size_t size, char* out) noexcept nogil:
        cdef uint32_t[8] state
        cdef uint8_t[32] digest
        memcpy(state, self._inner, 32)
        tw_sha256_finish(self._block, state, 64, <const uint8_t*> data, size, digest)
        memcpy(state, self._outer, 32)
        tw_sha256_finish(self._block, state, 64, digest, 32, digest)
        tw_hex(digest, out)

    cdef void sign_after_prefix(self, char* data, size_t size, char* out) noexcept nogil:
        cdef uint32_t[8] state
        cdef uint8_t[32] digest
        memcpy(data, self._rest, self._rest_size)
        memcpy(state, self._prefixed, 32)
        tw_sha256_finish(self._block, state, self._prefixed_bytes, <const uint8_t*> data, size, digest)
        memcpy(state, self._outer, 32)
        tw_sha256_finish(self._block, state, 64, digest, 32, digest)
        tw_hex(digest, out)

    def hexdigest(self, bytes message not None) -> str:
        """The signature of a whole message."""
        cdef char[SIGNATURE_SIZE] out
        self.sign(<const char*> message, len(message), out)
        return out[:SIGNATURE_SIZE].decode()

    def hexdigest_after_prefix(self, bytes tail not None) -> str:
        """The signature of the prefix followed by `tail` (at most 1 KiB)."""
        cdef char[SIGNATURE_SIZE] out
        cdef char[PREFIX_ROOM + 64] text
        if len(tail) > PREFIX_ROOM:
            raise ValueError(f"a tail of {len(tail)} bytes: at most {PREFIX_ROOM}")
        memcpy(text + self._rest_size, <const char*> tail, len(tail))
        self.sign_after_prefix(text, self._rest_size + len(tail), out)
        return out[:SIGNATURE_SIZE].decode()
