/* timing.c: what the timing model does off the common path: misses, marks, its counters and caches. */
#include "timing.h"

#include <stdlib.h>
#include <string.h>

static bool make_cache(struct cache *cache, uint32_t bytes, uint32_t ways, uint32_t line) {
    cache->ways = ways;
    cache->sets = bytes / (ways * line);
    cache->entries = malloc((size_t)cache->sets * ways * sizeof *cache->entries);
    return cache->entries != NULL;
}

static void empty_cache(struct cache *cache) {
    memset(cache->entries, 0xff, (size_t)cache->sets * cache->ways * sizeof *cache->entries);
}

static void map_memories(struct timing *t) {
    memset(t->memory_of, P4C_SIM_DEVICE, sizeof t->memory_of);
    t->memory_of[0x30] = P4C_SIM_TCM;
    t->memory_of[0x4f] = P4C_SIM_L2MEM;
    for (uint32_t top = 0; top < 4; top++) {
        t->memory_of[0x40 + top] = P4C_SIM_FLASH;
        t->memory_of[0x48 + top] = P4C_SIM_PSRAM;
    }
}

bool p4c_timing_create(struct p4c_sim *sim, uint32_t l2_kb) {
    if (l2_kb != 128 && l2_kb != 256 && l2_kb != 512) return false;
    struct timing *t = calloc(1, sizeof *t);
    sim->timing = t;
    if (t == NULL) return false;
    map_memories(t);
    if (!make_cache(&t->l1i, TIME_L1I_BYTES, TIME_L1I_WAYS, TIME_L1_LINE)) return false;
    if (!make_cache(&t->l1d, TIME_L1D_BYTES, TIME_L1D_WAYS, TIME_L1_LINE)) return false;
    if (!make_cache(&t->l2, l2_kb * 1024, TIME_L2_WAYS, TIME_L2_LINE)) return false;
    p4c_sim_cool(sim);
    return true;
}

void p4c_timing_destroy(struct p4c_sim *sim) {
    struct timing *t = sim->timing;
    if (t == NULL) return;
    free(t->l1i.entries);
    free(t->l1d.entries);
    free(t->l2.entries);
    free(t->markers);
    free(t->marks);
    free(t);
}

void p4c_sim_cool(struct p4c_sim *sim) {
    struct timing *t = sim->timing;
    if (t == NULL) return;
    empty_cache(&t->l1i);
    empty_cache(&t->l1d);
    empty_cache(&t->l2);
    memset(t->predictor, 1, sizeof t->predictor);
    memset(t->returns, 0, sizeof t->returns);
    t->fetch_line = UINT32_MAX;
    t->open = UNIT_NONE;
}

/* The core waits, and the instruction that was just issued with it. */
void p4c_time_stall(struct timing *t, uint64_t cycles, uint64_t *counter) {
    *counter += cycles;
    t->now += cycles;
    t->group += cycles;
    for (int k = 0; k < MAX_RESULTS; k++) t->ready[t->current->results[k]] += cycles;
}

/* A line from beyond L2, or from L2 itself: what that costs on top of the way to L2. */
static uint64_t reach_l2(struct timing *t, uint32_t line, uint32_t memory, uint64_t *victims) {
    uint32_t victim;
    if (cache_access(&t->l2, line / (TIME_L2_LINE / TIME_L1_LINE), false, &victim)) return 0;
    t->counters.l2_misses++;
    if (cache_is_dirty(victim)) *victims += TIME_DIRTY_VICTIM;
    return memory == P4C_SIM_FLASH ? TIME_L2_TO_FLASH : TIME_L2_TO_PSRAM;
}

void p4c_time_data_line(struct timing *t, uint32_t line, uint32_t memory, bool write) {
    struct p4c_sim_counters *counters = &t->counters;
    uint32_t victim;
    uint64_t victims = 0;
    if (cache_access(&t->l1d, line, write, &victim)) return;
    counters->data_misses++;
    if (cache_is_dirty(victim)) {
        victims += TIME_DIRTY_VICTIM;
        cache_soil(&t->l2, (victim >> 1) / (TIME_L2_LINE / TIME_L1_LINE));
    }
    if (memory == P4C_SIM_L2MEM) {
        p4c_time_stall(t, TIME_L1_TO_L2MEM, &counters->l2mem_stalls);
    } else {
        uint64_t beyond = reach_l2(t, line, memory, &victims);
        p4c_time_stall(t, TIME_L1_TO_L2, &counters->l2_stalls);
        p4c_time_stall(t, beyond, memory == P4C_SIM_FLASH ? &counters->flash_stalls : &counters->psram_stalls);
    }
    p4c_time_stall(t, victims, &counters->victim_stalls);
}

/* Instructions are never written, so nothing dirty leaves L1I; the stall comes before the issue. */
void p4c_time_fetch(struct timing *t, uint32_t line) {
    const uint32_t memory = t->memory_of[(line * TIME_L1_LINE) >> 24];
    uint32_t victim;
    t->fetch_line = line;
    if (memory <= P4C_SIM_TCM || cache_access(&t->l1i, line, false, &victim)) return;
    uint64_t victims = 0;
    uint64_t cycles = TIME_L1_TO_L2MEM;
    if (memory != P4C_SIM_L2MEM) cycles = TIME_L1_TO_L2 + reach_l2(t, line, memory, &victims);
    cycles += victims;
    t->counters.fetch_misses++;
    t->counters.fetch_stalls += cycles;
    t->now += cycles;
    t->open = UNIT_NONE;
}

/* Nothing is in flight any more. */
void p4c_timing_drain(struct p4c_sim *sim) {
    struct timing *t = sim->timing;
    if (t == NULL) return;
    memset(t->ready, 0, sizeof t->ready);
    t->open = UNIT_NONE;
}

void p4c_sim_get_counters(const struct p4c_sim *sim, struct p4c_sim_counters *counters) {
    *counters = (struct p4c_sim_counters){.instructions = sim->instructions};
    if (sim->timing == NULL) return;
    *counters = sim->timing->counters;
    counters->cycles = sim->timing->now;
}

uint64_t p4c_timing_cycles(const struct p4c_sim *sim) {
    return sim->timing != NULL ? sim->timing->now : sim->instructions;
}

void p4c_time_mark(struct timing *t, uint32_t marker) {
    if (t->mark_count == t->mark_capacity) {
        uint32_t capacity = t->mark_capacity == 0 ? 256 : 2 * t->mark_capacity;
        struct p4c_sim_mark *marks = realloc(t->marks, capacity * sizeof *marks);
        if (marks == NULL) return;
        t->marks = marks;
        t->mark_capacity = capacity;
    }
    struct p4c_sim_mark *mark = &t->marks[t->mark_count++];
    *mark = (struct p4c_sim_mark){.marker = marker, .counters = t->counters};
    mark->counters.cycles = t->now;
}

/* Slots are described anew when their instructions are next reached. */
static void forget_markers(struct p4c_sim *sim) {
    for (uint32_t k = 0; k < sim->timing->marker_count; k++) p4c_forget_code(sim, sim->timing->markers[k], 2);
}

int p4c_sim_set_markers(struct p4c_sim *sim, const uint32_t *addresses, uint32_t count) {
    struct timing *t = sim->timing;
    if (t == NULL || count >= UINT16_MAX) return 0;
    uint32_t *markers = malloc(count * sizeof *markers + 1);
    if (markers == NULL) return 0;
    if (count != 0) memcpy(markers, addresses, count * sizeof *markers);
    forget_markers(sim);
    free(t->markers);
    t->markers = markers;
    t->marker_count = count;
    t->mark_count = 0;
    forget_markers(sim);
    return 1;
}

uint32_t p4c_sim_take_marks(struct p4c_sim *sim, struct p4c_sim_mark *marks, uint32_t capacity) {
    struct timing *t = sim->timing;
    if (t == NULL) return 0;
    const uint32_t count = t->mark_count;
    if (marks == NULL || capacity < count) return count;
    if (count != 0) memcpy(marks, t->marks, count * sizeof *marks);
    t->mark_count = 0;
    return count;
}
