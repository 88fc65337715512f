/* timing.h: the timing model: an in-order core that may issue one SIMD and one scalar instruction per cycle.
 *
 * execute_timed.c calls time_issue before each instruction. It waits for the operands (a scoreboard holds the
 * cycle at which each register is ready), pairs the instruction with the one before where the rules allow
 * it, and marks its results. Memory then adds what caches miss: nothing overlaps with a miss.
 *
 *   pairs      one SIMD and one scalar instruction of the same cycle, in either order, of which the second
 *              neither reads nor writes what the first writes. An instruction of two issue cycles (fused
 *              with a load or store) may only be the second. A taken branch or jump ends its cycle.
 *   caches     L1I, L1D and L2, least recently used. L2MEM is behind L1; PSRAM and flash are behind L1 and L2.
 *
 * All constants come from timing.tsv, as TIME_* macros of a generated header.
 */
#ifndef P4C_SIM_TIMING_H
#define P4C_SIM_TIMING_H

#include "cache.h"
#include "state.h"
#include "timing_constants.h"

/* The scoreboard: x0..x31 and the sink x[32], then f and q registers. x0 is always ready. */
enum { SCORE_X = 0, SCORE_SINK = 32, SCORE_F = 33, SCORE_Q = 65, SCORE_SIZE = 73 };

enum { MAX_SOURCES = 5, MAX_RESULTS = 3 };
enum timing_unit { UNIT_NONE = 0, UNIT_SCALAR = 1, UNIT_PIE = 2 };

/* What the model knows of a decoded instruction. Unused sources are x0, unused results the sink. */
struct timing_slot {
    uint32_t touches; /* x registers read or written */
    uint32_t writes;  /* x registers written */
    uint16_t marker;  /* 1 + number, or 0 */
    uint8_t sources[MAX_SOURCES];
    uint8_t results[MAX_RESULTS];
    uint8_t latency[MAX_RESULTS];
    uint8_t unit;     /* enum timing_unit */
    uint8_t opens;    /* unit that may issue in the same cycle after it */
    uint8_t issue;    /* cycles */
    uint8_t setup;    /* cycles after that: hardware-loop set-up */
    uint8_t links;    /* jal, jalr: 1 pushes a return address, 2 returns to one */
    uint8_t crosses;  /* its second half lies on the next cache line */
};
enum { LINK_CALL = 1, LINK_RETURN = 2 };

struct timing {
    uint64_t now;   /* the first cycle in which the next instruction may issue alone */
    uint64_t group; /* the cycle of the instruction before, which the next one may join */
    uint32_t open;  /* unit that may join it */
    uint32_t open_writes;
    const struct timing_slot *current;
    uint64_t ready[SCORE_SIZE];
    uint32_t fetch_line;
    uint8_t predictor[TIME_PREDICTOR_ENTRIES]; /* 0, 1: not taken; 2, 3: taken */
    uint32_t returns[TIME_RETURN_ENTRIES];
    uint32_t return_top;
    struct cache l1i, l1d, l2;
    uint8_t memory_of[256]; /* enum p4c_sim_memory by the address's top byte */
    struct p4c_sim_counters counters;
    uint32_t *markers;
    uint32_t marker_count;
    struct p4c_sim_mark *marks;
    uint32_t mark_count;
    uint32_t mark_capacity;
};

/* timing.c */
COLD void p4c_time_mark(struct timing *t, uint32_t marker);
COLD void p4c_time_fetch(struct timing *t, uint32_t line);
COLD void p4c_time_data_line(struct timing *t, uint32_t line, uint32_t memory, bool write);
COLD void p4c_time_stall(struct timing *t, uint64_t cycles, uint64_t *counter);

static inline void time_issue(struct p4c_sim *sim, const struct timing_slot *slot, uint32_t pc) {
    struct timing *const t = sim->timing;
    if (UNLIKELY(slot->marker != 0)) p4c_time_mark(t, slot->marker - 1u);
    t->current = slot;
    if (UNLIKELY(pc / TIME_L1_LINE != t->fetch_line)) p4c_time_fetch(t, pc / TIME_L1_LINE);
    if (UNLIKELY(slot->crosses)) p4c_time_fetch(t, pc / TIME_L1_LINE + 1);
    uint64_t ready = 0;
    for (int k = 0; k < MAX_SOURCES; k++) {
        uint64_t source = t->ready[slot->sources[k]];
        ready = source > ready ? source : ready;
    }
    uint64_t start = t->group;
    if ((t->open & slot->unit) && ready <= start && !(slot->touches & t->open_writes)) {
        t->counters.pairs++;
        t->now = start + slot->issue;
        t->open = UNIT_NONE;
    } else {
        start = ready > t->now ? ready : t->now;
        t->counters.latency_stalls += start - t->now;
        t->group = start;
        t->now = start + slot->issue;
        t->open = slot->opens;
        t->open_writes = slot->writes;
    }
    t->counters.instructions++;
    t->counters.fused_cycles += slot->issue - 1u;
    t->counters.loop_stalls += slot->setup;
    t->now += slot->setup;
    for (int k = 0; k < MAX_RESULTS; k++) t->ready[slot->results[k]] = start + slot->latency[k];
}

/* A data access of the instruction that was just issued. */
static inline void time_data(struct timing *t, uint32_t address, uint32_t size, bool write) {
    const uint32_t memory = t->memory_of[address >> 24];
    const uint32_t line = address / TIME_L1_LINE;
    const uint32_t last = (address + size - 1) / TIME_L1_LINE;
    *(write ? &t->counters.written[memory] : &t->counters.read[memory]) += size;
    if (UNLIKELY(address & (size - 1))) p4c_time_stall(t, TIME_UNALIGNED, &t->counters.unaligned_stalls);
    if (memory <= P4C_SIM_TCM) return; /* no cache */
    if (UNLIKELY(!cache_hit_first(&t->l1d, line, write))) p4c_time_data_line(t, line, memory, write);
    if (UNLIKELY(last != line)) p4c_time_data_line(t, last, memory, write);
}

static inline void time_branch(struct timing *t, uint32_t pc, bool taken) {
    uint8_t *counter = &t->predictor[pc / 2 % TIME_PREDICTOR_ENTRIES];
    if ((*counter >= 2) != taken) {
        t->counters.mispredicts++;
        t->counters.branch_stalls += TIME_MISPREDICT;
        t->now += TIME_MISPREDICT;
        t->open = UNIT_NONE;
    } else if (taken) {
        t->counters.branch_stalls += TIME_TAKEN_BRANCH;
        t->now += TIME_TAKEN_BRANCH;
    }
    if (taken) t->open = UNIT_NONE;
    *counter = taken ? (*counter < 3 ? *counter + 1 : 3) : (*counter > 0 ? *counter - 1 : 0);
}

/* jal and jalr, which returns to `target` or leaves a return address behind. */
static inline void time_jump(struct timing *t, uint32_t after, uint32_t target) {
    uint32_t cost = TIME_JUMP;
    if (t->current->links == LINK_RETURN) {
        t->return_top = (t->return_top - 1) % TIME_RETURN_ENTRIES;
        if (t->returns[t->return_top] != target) {
            t->counters.mispredicts++;
            cost = TIME_MISPREDICT;
        }
    } else if (t->current->links == LINK_CALL) {
        t->returns[t->return_top] = after;
        t->return_top = (t->return_top + 1) % TIME_RETURN_ENTRIES;
    }
    t->counters.branch_stalls += cost;
    t->now += cost;
    t->open = UNIT_NONE;
}

#endif
