/* Levels of trailing stops, exactly: prices up to 2^62, distances in basis points below 10,000. */
#ifndef TW_TRIGGERS_H
#define TW_TRIGGERS_H
#include <stdint.h>

typedef __int128 tw_trigger_wide;

/* The highest price that is at most `extreme` less so many basis points: a sell fires there or below. */
static inline int64_t tw_trail_below(int64_t extreme, int64_t bps) {
    return (int64_t)((tw_trigger_wide)extreme * (10000 - bps) / 10000);
}

/* The lowest price that is at least `extreme` plus so many basis points: a buy fires there or above. */
static inline int64_t tw_trail_above(int64_t extreme, int64_t bps) {
    tw_trigger_wide level = ((tw_trigger_wide)extreme * (10000 + bps) + 9999) / 10000;
    return level > INT64_MAX ? INT64_MAX : (int64_t)level;
}
#endif
