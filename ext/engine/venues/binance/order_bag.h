/* Requests whose parameters depend on what is asked for: gathered in any order, then written in byte order of their names, since that
 * is what is signed. For conditional orders, lists and amends; a plain order has its fixed form in order_text.h. */
#ifndef TRADEWIND_ORDER_BAG_H
#define TRADEWIND_ORDER_BAG_H
#include "order_text.h"

enum { TW_BAG_MAX = 48, TW_BAG_NAME = 40, TW_BAG_VALUE = 32 };

typedef struct {
    const char *value;         /* in `own`, or somebody's that lives longer */
    uint32_t size;
    uint8_t name_size, quoted, is_key;
    char name[TW_BAG_NAME];
    char own[TW_BAG_VALUE];
} tw_entry;

typedef struct {
    int count, failed;
    tw_entry rows[TW_BAG_MAX];
} tw_bag;

static inline void tw_bag_open(tw_bag *bag) { bag->count = bag->failed = 0; }

/* "above" and "stopPrice" make aboveStopPrice; without a prefix the name stands as it is. */
static inline tw_entry *tw_bag_add(tw_bag *bag, const char *prefix, const char *name) {
    size_t before = strlen(prefix), size = strlen(name);
    tw_entry *row;
    if (bag->count >= TW_BAG_MAX || before + size > TW_BAG_NAME) { bag->failed = 1; return 0; }
    row = &bag->rows[bag->count++];
    memcpy(row->name, prefix, before);
    memcpy(row->name + before, name, size);
    if (before && name[0] >= 'a' && name[0] <= 'z') row->name[before] = (char)(name[0] - 32);
    row->name_size = (uint8_t)(before + size);
    row->quoted = 1;
    row->is_key = 0;
    return row;
}

static inline void tw_bag_text(tw_bag *bag, const char *prefix, const char *name, const char *value, size_t size) {
    tw_entry *row = tw_bag_add(bag, prefix, name);
    if (row) { row->value = value; row->size = (uint32_t)size; }
}

static inline void tw_bag_word(tw_bag *bag, const char *prefix, const char *name, const char *word) {
    tw_bag_text(bag, prefix, name, word, strlen(word));
}

/* a short text that the caller does not keep */
static inline void tw_bag_copy(tw_bag *bag, const char *prefix, const char *name, const char *value, size_t size) {
    tw_entry *row = tw_bag_add(bag, prefix, name);
    if (!row) return;
    if (size > TW_BAG_VALUE) { bag->failed = 1; return; }
    memcpy(row->own, value, size);
    row->value = row->own;
    row->size = (uint32_t)size;
}

static inline void tw_bag_number(tw_bag *bag, const char *prefix, const char *name, uint64_t value) {
    tw_entry *row = tw_bag_add(bag, prefix, name);
    if (!row) return;
    row->value = row->own;
    row->size = (uint32_t)(tw_put_u64(row->own, value) - row->own);
    row->quoted = 0;
}

static inline void tw_bag_amount(tw_bag *bag, const char *prefix, const char *name, int64_t count, int64_t size_e8) {
    tw_entry *row = tw_bag_add(bag, prefix, name);
    char *end;
    if (!row) return;
    end = tw_put_amount(row->own, count, size_e8);
    if (!end) { bag->failed = 1; return; }
    row->value = row->own;
    row->size = (uint32_t)(end - row->own);
}

static inline void tw_bag_key(tw_bag *bag, const char *value, size_t size) {
    tw_entry *row = tw_bag_add(bag, "", "apiKey");
    if (!row) return;
    row->value = value;
    row->size = (uint32_t)size;
    row->is_key = 1;
}

static inline int tw_entry_is_before(const tw_entry *a, const tw_entry *b) {
    size_t size = a->name_size < b->name_size ? a->name_size : b->name_size;
    int found = memcmp(a->name, b->name, size);
    return found ? found < 0 : a->name_size < b->name_size;
}

/* Every parameter, sorted; where the key's value begins is told by `key_at`. 0 where one did not fit. */
static inline int tw_bag_put(const tw_bag *bag, tw_text *t, char **key_at) {
    uint8_t order[TW_BAG_MAX];
    const tw_entry *row;
    if (bag->failed) return 0;
    for (int i = 0; i < bag->count; i++) {
        int at = i;
        for (; at > 0 && tw_entry_is_before(&bag->rows[i], &bag->rows[order[at - 1]]); at--) order[at] = order[at - 1];
        order[at] = (uint8_t)i;
    }
    for (int i = 0; i < bag->count; i++) {
        row = &bag->rows[order[i]];
        if (row->is_key) *key_at = t->json + 10;  /* behind "apiKey":" */
        tw_param(t, row->name, row->name_size, row->value, row->size, row->quoted);
    }
    return 1;
}
#endif
