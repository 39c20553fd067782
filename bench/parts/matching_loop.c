/* The least a price-time matcher can do: limit, IOC and cancel on one book; no events, no checks of what an operation says.
 *
 * Levels of 16 bytes in one array for both sides, a 64-ary bitmap above them, pooled orders of 32 bytes linked by number,
 * and foreign ids by open addressing, or handles of the pool's own. The yardstick of bench/matching.py. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { uint8_t type, side; uint16_t pad; uint32_t qty; int64_t price; uint64_t oid, seq; } Op;
typedef struct { uint32_t head, tail; int64_t qty; } Level;
typedef struct { uint64_t oid; int32_t price; uint32_t qty, after, before, generation; uint8_t side; } Order;
typedef struct { uint32_t tag, link; } Slot;
typedef struct { uint64_t hash; int64_t trades, qty, value, live, live_qty, best_bid, best_ask; } Result;

typedef struct {
    int tiers;
    int64_t limit;
    uint64_t *tier[6];
    Level *levels;
    Order *orders;
    Slot *slots;
    uint64_t mask;
    uint32_t free_order;
    int64_t bid, ask, live;
    int by_handle;
    Result result;
} Book;

static inline uint64_t mixed(uint64_t oid) {
    oid *= 0x9E3779B97F4A7C15ull;
    return oid ^ (oid >> 32);
}

static inline void mark(Book *b, uint64_t tick) {
    for (int t = 0; t < b->tiers; t++) {
        uint64_t word = b->tier[t][tick >> 6];
        b->tier[t][tick >> 6] = word | (1ull << (tick & 63));
        if (word) return;
        tick >>= 6;
    }
}

static inline void unmark(Book *b, uint64_t tick) {
    for (int t = 0; t < b->tiers; t++) {
        b->tier[t][tick >> 6] &= ~(1ull << (tick & 63));
        if (b->tier[t][tick >> 6]) return;
        tick >>= 6;
    }
}

static inline int64_t above(const Book *b, uint64_t tick) {
    for (int t = 0; t < b->tiers; t++) {
        uint64_t word = (tick & 63) == 63 ? 0 : b->tier[t][tick >> 6] & (~0ull << ((tick & 63) + 1));
        if (word) {
            tick = (tick & ~63ull) | (uint64_t)__builtin_ctzll(word);
            while (t--) tick = (tick << 6) | (uint64_t)__builtin_ctzll(b->tier[t][tick]);
            return (int64_t)tick;
        }
        tick >>= 6;
    }
    return b->limit;
}

static inline int64_t below(const Book *b, uint64_t tick) {
    for (int t = 0; t < b->tiers; t++) {
        uint64_t word = b->tier[t][tick >> 6] & ((1ull << (tick & 63)) - 1);
        if (word) {
            tick = (tick & ~63ull) | (uint64_t)(63 - __builtin_clzll(word));
            while (t--) tick = (tick << 6) | (uint64_t)(63 - __builtin_clzll(b->tier[t][tick]));
            return (int64_t)tick;
        }
        tick >>= 6;
    }
    return 0;
}

static inline uint32_t find(Book *b, uint64_t oid) {
    uint64_t h = mixed(oid), at = h & b->mask;
    while (b->slots[at].link) {
        if (b->slots[at].tag == (uint32_t)h && b->orders[b->slots[at].link - 1].oid == oid) return b->slots[at].link;
        at = (at + 1) & b->mask;
    }
    return 0;
}

static inline void remember(Book *b, uint64_t oid, uint32_t link) {
    uint64_t h = mixed(oid), at = h & b->mask;
    while (b->slots[at].link) at = (at + 1) & b->mask;
    b->slots[at].tag = (uint32_t)h;
    b->slots[at].link = link;
}

/* The tag has the home position's low bits (the table has fewer than 2^32 slots). */
static inline void forget(Book *b, uint64_t oid, uint32_t link) {
    uint64_t hole = mixed(oid) & b->mask, at;
    while (b->slots[hole].link != link) hole = (hole + 1) & b->mask;
    for (at = (hole + 1) & b->mask; b->slots[at].link; at = (at + 1) & b->mask) {
        uint64_t home = b->slots[at].tag & b->mask;
        if (((at - home) & b->mask) >= ((at - hole) & b->mask)) {
            b->slots[hole] = b->slots[at];
            hole = at;
        }
    }
    b->slots[hole].link = 0;
}

static inline void release(Book *b, uint32_t link) {
    Order *o = &b->orders[link - 1];
    if (!b->by_handle) forget(b, o->oid, link);
    o->generation++;
    o->after = b->free_order;
    b->free_order = link;
    b->live--;
}

static inline void drop_level(Book *b, int64_t price) {
    unmark(b, (uint64_t)price);
    if (price == b->bid) b->bid = below(b, (uint64_t)price);
    else if (price == b->ask) b->ask = above(b, (uint64_t)price);
}

static inline void unlink_order(Book *b, Order *o) {
    Level *level = &b->levels[o->price];
    level->qty -= o->qty;
    if (o->before) b->orders[o->before - 1].after = o->after; else level->head = o->after;
    if (o->after) b->orders[o->after - 1].before = o->before; else level->tail = o->before;
    if (!level->head) drop_level(b, o->price);
}

static inline uint32_t match(Book *b, int side, int64_t limit_price, uint32_t qty) {
    Result *r = &b->result;
    while (qty) {
        int64_t price = side ? b->bid : b->ask;
        if (side ? price == 0 || price < limit_price : price == b->limit || price > limit_price) break;
        Level *level = &b->levels[price];
        uint32_t link = level->head;
        Order *maker = &b->orders[link - 1];
        uint32_t traded = maker->qty < qty ? maker->qty : qty;
        qty -= traded;
        r->trades++;
        r->qty += traded;
        r->value += (int64_t)traded * price;
        r->hash = r->hash * 1000003u + maker->oid * 31 + traded * 7ull + (uint64_t)price;
        if (traded == maker->qty) {
            unlink_order(b, maker);
            release(b, link);
        } else {
            maker->qty -= traded;
            level->qty -= traded;
        }
    }
    return qty;
}

static inline void rest(Book *b, int side, int64_t price, uint32_t qty, uint32_t link) {
    Order *o = &b->orders[link - 1];
    Level *level = &b->levels[price];
    o->price = (int32_t)price;
    o->qty = qty;
    o->side = (uint8_t)side;
    o->after = 0;
    o->before = level->tail;
    level->qty += qty;
    if (level->tail) b->orders[level->tail - 1].after = link;
    else {
        level->head = link;
        mark(b, (uint64_t)price);
        if (side) { if (price < b->ask) b->ask = price; }
        else if (price > b->bid) b->bid = price;
    }
    level->tail = link;
}

static inline void add(Book *b, const Op *op) {
    uint32_t link = b->free_order, left;
    Order *o = &b->orders[link - 1];
    b->free_order = o->after;
    o->oid = op->oid;
    b->live++;
    if (!b->by_handle) remember(b, op->oid, link);
    left = match(b, op->side, op->price, op->qty);
    if (left) rest(b, op->side, op->price, left, link);
    else release(b, link);
}

static inline void cancel(Book *b, uint64_t oid) {
    uint32_t link = b->by_handle ? (uint32_t)oid + 1 : find(b, oid);
    if (!link || (b->by_handle && b->orders[link - 1].generation != oid >> 32)) return;
    unlink_order(b, &b->orders[link - 1]);
    release(b, link);
}

void book_close(Book *b) {
    for (int t = 0; t < b->tiers; t++) free(b->tier[t]);
    free(b->levels), free(b->orders), free(b->slots), free(b);
}

Book *book_open(int tiers, uint32_t orders_max, int by_handle) {
    Book *b = calloc(1, sizeof(Book));
    uint64_t size = 16;
    while (size < 2ull * orders_max) size *= 2;
    b->tiers = tiers;
    b->limit = 1ll << (6 * tiers);
    b->mask = size - 1;
    b->by_handle = by_handle;
    for (int t = 0; t < tiers; t++) b->tier[t] = calloc((size_t)(b->limit >> (6 * (t + 1))), 8);
    b->levels = calloc((size_t)b->limit, sizeof(Level));
    b->orders = malloc(orders_max * sizeof(Order));
    b->slots = malloc(size * sizeof(Slot));
    memset(b->orders, 0, orders_max * sizeof(Order));
    memset(b->slots, 0, size * sizeof(Slot));
    for (uint32_t i = 0; i < orders_max; i++) {
        b->orders[i].generation = 1;
        b->orders[i].after = i + 1 < orders_max ? i + 2 : 0;
    }
    b->free_order = 1;
    b->ask = b->limit;
    return b;
}

void book_run(Book *b, const Op *ops, long count) {
    for (const Op *op = ops; op < ops + count; op++) {
        if (op->type == 0) add(b, op);
        else if (op->type == 1) cancel(b, op->oid);
        else match(b, op->side, op->price, op->qty);
    }
}

/* Forget what was counted so far, as after the filling of the book. */
void book_count_anew(Book *b) { memset(&b->result, 0, sizeof(Result)); }

void book_result(Book *b, Result *out) {
    b->result.live = b->live;
    b->result.best_bid = b->bid;
    b->result.best_ask = b->ask;
    b->result.live_qty = 0;
    for (int64_t price = b->bid; price; price = below(b, (uint64_t)price)) b->result.live_qty += b->levels[price].qty;
    for (int64_t price = b->ask; price != b->limit; price = above(b, (uint64_t)price)) b->result.live_qty += b->levels[price].qty;
    *out = b->result;
}

/* Replace the ids of cancels by the handles that the pool gives; handle_of[oid] tells those of the adds. */
void book_translate(Book *b, const Op *ops, long count, Op *out, uint64_t *handle_of) {
    for (long i = 0; i < count; i++) {
        out[i] = ops[i];
        if (ops[i].type == 0)
            handle_of[ops[i].oid] = (uint64_t)b->orders[b->free_order - 1].generation << 32 | (b->free_order - 1);
        else if (ops[i].type == 1)
            out[i].oid = handle_of[ops[i].oid];
        book_run(b, &out[i], 1);
    }
}
