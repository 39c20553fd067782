# cython: language_level=3
"""Memory of the queues' substrate: pools are touched when they are opened, so that no page fault waits on the hot path."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void** memory, size_t alignment, size_t size)

cdef extern from "<sys/mman.h>" nogil:
    int madvise(void* memory, size_t size, int advice)
    int MADV_HUGEPAGE

cdef enum:
    HUGE_PAGE = 2097152
    HUGE_FROM = 524288        # smaller pools stay on small pages


cdef void* touched(size_t size) noexcept nogil:
    cdef void* memory = NULL
    cdef size_t rounded = (size + HUGE_PAGE - 1) // HUGE_PAGE * HUGE_PAGE
    if size < HUGE_FROM:
        memory = malloc(size)
    elif posix_memalign(&memory, HUGE_PAGE, rounded) == 0:
        madvise(memory, rounded, MADV_HUGEPAGE)  # where there are none, small ones do
    else:
        memory = NULL
    if memory != NULL:
        memset(memory, 0, size)
    return memory


cdef int pages_open(Pages* pages, uint32_t pages_max) noexcept nogil:
    cdef uint32_t index
    pages.levels = <Level*>touched(<size_t>pages_max * 64 * sizeof(Level))
    pages.free_list = <Level**>touched(<size_t>pages_max * sizeof(Level*))
    if pages.levels == NULL or pages.free_list == NULL:
        return -1
    for index in range(pages_max):
        pages.free_list[index] = pages.levels + <size_t>(pages_max - 1 - index) * 64
    pages.free_count = pages_max
    pages.pages_max = pages_max
    return 0


cdef void pages_close(Pages* pages) noexcept nogil:
    free(pages.levels)
    free(pages.free_list)
    memset(pages, 0, sizeof(Pages))


cdef int pool_open(OrderPool* pool, uint32_t orders_max) noexcept nogil:
    cdef uint32_t index
    pool.orders = <QueuedOrder*>touched(<size_t>orders_max * sizeof(QueuedOrder))
    if pool.orders == NULL:
        return -1
    for index in range(orders_max):
        pool.orders[index].after = index + 2 if index + 1 < orders_max else 0
    pool.first_free = 1
    pool.live_count = 0
    pool.orders_max = orders_max
    return 0


cdef void pool_close(OrderPool* pool) noexcept nogil:
    free(pool.orders)
    memset(pool, 0, sizeof(OrderPool))


cdef size_t tier_words(size_t slots, int tier) noexcept nogil:
    """How many words of bits stand for so many pages on a tier."""
    cdef size_t words = slots >> (6 * (tier + 1))
    return words if words else 1


cdef size_t tree_size(size_t slots) noexcept nogil:
    cdef size_t size = slots * sizeof(PageSlot)
    cdef int tier
    for tier in range(QUEUE_TIERS):
        size += tier_words(slots, tier) * sizeof(uint64_t)
    return size


cdef int queues_open(Queues* queues, int price_bits) noexcept nogil:
    """``price_bits`` 18 .. 30. Trees are wide and sparse: mapped, so that they are zero pages until prices are used."""
    cdef size_t slots = <size_t>1 << (price_bits - 6)
    cdef void* memory = mmap(NULL, tree_size(slots), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    cdef int tier
    queues.limit = 1 << price_bits
    if memory == MAP_FAILED:
        return -1
    queues.slots = <PageSlot*>memory
    queues.tier[0] = <uint64_t*>(queues.slots + slots)
    for tier in range(1, QUEUE_TIERS):
        queues.tier[tier] = queues.tier[tier - 1] + tier_words(slots, tier - 1)
    return 0


cdef void queues_close(Queues* queues) noexcept nogil:
    if queues.slots != NULL:
        munmap(queues.slots, tree_size(<size_t>queues.limit >> 6))
    memset(queues, 0, sizeof(Queues))


cdef int table_open(IdTable* table, uint32_t ids_max) noexcept nogil:
    """At most half of the slots are ever used."""
    cdef uint64_t size = 16
    while size < 2 * <uint64_t>ids_max:
        size *= 2
    table.slots = <uint64_t*>touched(size * sizeof(uint64_t))
    table.mask = size - 1
    return 0 if table.slots != NULL else -1


cdef void table_close(IdTable* table) noexcept nogil:
    free(table.slots)
    memset(table, 0, sizeof(IdTable))
