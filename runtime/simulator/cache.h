/* cache.h: which lines a set-associative cache holds, least recently used ones leaving first. No data. */
#ifndef P4C_SIM_CACHE_H
#define P4C_SIM_CACHE_H

#include <stdbool.h>
#include <stdint.h>

/* An entry is a line number shifted left by one, with the dirty bit below; a set is ordered by use. */
struct cache {
    uint32_t *entries;
    uint32_t sets;
    uint32_t ways;
};

#define CACHE_EMPTY UINT32_MAX

/* Whether the line is the one of its set used last; most accesses are to that. */
static inline bool cache_hit_first(struct cache *cache, uint32_t line, bool write) {
    uint32_t *entry = &cache->entries[line % cache->sets * cache->ways];
    if (*entry >> 1 != line) return false;
    *entry |= write;
    return true;
}

/* Bring the line to the front of its set. True on a hit; on a miss *victim is the entry that left. */
static inline bool cache_access(struct cache *cache, uint32_t line, bool write, uint32_t *victim) {
    uint32_t *set = &cache->entries[line % cache->sets * cache->ways];
    uint32_t way = 0;
    while (way < cache->ways - 1 && set[way] >> 1 != line) way++;
    const bool hit = set[way] >> 1 == line;
    const uint32_t entry = hit ? set[way] : line << 1;
    *victim = hit ? CACHE_EMPTY : set[way];
    for (; way > 0; way--) set[way] = set[way - 1];
    set[0] = entry | write;
    return hit;
}

/* Note that a line was written, if it is held. */
static inline void cache_soil(struct cache *cache, uint32_t line) {
    uint32_t *set = &cache->entries[line % cache->sets * cache->ways];
    for (uint32_t way = 0; way < cache->ways; way++) {
        if (set[way] >> 1 == line) set[way] |= 1;
    }
}

static inline bool cache_is_dirty(uint32_t entry) { return entry != CACHE_EMPTY && (entry & 1); }

#endif
