/* pie_memory.c: loads, stores, and the memory forms of instructions that also compute.
 *
 * Memory is reached before anything is computed, so that an instruction that faults has had no effect: a
 * fused store writes what the register held before, a fused load is kept back until the registers have been
 * multiplied. Vector accesses to device registers fault.
 */
#include <string.h>

#include "pie_lanes.h"

static inline uint32_t pointer(const struct p4c_sim *sim, const struct pie_instruction *i) {
    uint32_t address = sim->x[i->rs1];
    if (i->indexed) address += 4u * sim->pie.q[i->qw].u16[i->select2];
    return address;
}

/* Whether the hardware splits an access off its alignment, instead of dropping the address's low bits. */
static bool splits(const struct p4c_sim *sim, const struct pie_instruction *i) {
    return sim->pie.cfg & (i->store ? CFG_MIS_ST : CFG_MIS_LD) && i->family != PIE_F_LOAD_USAR;
}

uint32_t p4c_pie_address(const struct p4c_sim *sim, const struct pie_instruction *i) {
    uint32_t address = pointer(sim, i);
    return splits(sim, i) ? address : address & (0u - i->size);
}

/* An access off its alignment: dropping the low bits is meant by ld.128.usar alone. */
static COLD bool place_unaligned(struct p4c_sim *sim, const struct pie_instruction *i, uint32_t *address) {
    *address = p4c_pie_address(sim, i);
    if (!sim->pie.strict || splits(sim, i) || i->family == PIE_F_LOAD_USAR) return true;
    return p4c_record_fault(sim, P4C_SIM_FAULT_ROUNDED_DOWN, pointer(sim, i), i->size);
}

static inline bool place(struct p4c_sim *sim, const struct pie_instruction *i, uint32_t size, uint32_t *address) {
    *address = pointer(sim, i);
    return LIKELY((*address & (size - 1)) == 0) || place_unaligned(sim, i, address);
}

/* Beyond one page, or not plain memory. */
static COLD bool load_slow(struct p4c_sim *sim, uint32_t address, void *data, uint32_t size) {
    return p4c_sim_read(sim, address, data, size) || p4c_record_fault(sim, P4C_SIM_FAULT_LOAD, address, size);
}

static COLD bool store_slow(struct p4c_sim *sim, uint32_t address, const void *data, uint32_t size) {
    if (p4c_memory_writable(sim, address, size)) return p4c_sim_write(sim, address, data, size);
    return p4c_record_fault(sim, P4C_SIM_FAULT_STORE, address, size);
}

/* `size` is a constant where these are inlined. */
static inline bool load(struct p4c_sim *sim, const struct pie_instruction *i, void *data, uint32_t size) {
    uint32_t address;
    if (UNLIKELY(!place(sim, i, size, &address))) return false;
    const uint8_t *host = sim->pages[address >> PAGE_BITS].read;
    uint32_t offset = address & PAGE_MASK;
    if (UNLIKELY(host == NULL || offset > PAGE_SIZE - size)) return load_slow(sim, address, data, size);
    memcpy(data, host + offset, size);
    return true;
}

static inline bool store(struct p4c_sim *sim, const struct pie_instruction *i, const void *data, uint32_t size) {
    uint32_t address;
    if (UNLIKELY(!place(sim, i, size, &address))) return false;
    uint8_t *host = sim->pages[address >> PAGE_BITS].write;
    uint32_t offset = address & PAGE_MASK;
    if (UNLIKELY(host == NULL || offset > PAGE_SIZE - size)) return store_slow(sim, address, data, size);
    memcpy(host + offset, data, size);
    return true;
}

static inline bool finish(struct p4c_sim *sim, const struct pie_instruction *i) {
    sim->x[i->rs1] += i->by_register ? sim->x[i->rs2] : (uint32_t)i->step;
    return true;
}

#define ACCESS(name) static bool name(struct p4c_sim *sim, const struct pie_instruction *i)

/* A load of `size` bytes into `loaded`, the statements, then the step of the pointer. */
#define LOADING(name, size, ...)                            \
    ACCESS(name) {                                          \
        union pie_vector loaded;                            \
        if (UNLIKELY(!load(sim, i, &loaded, size))) return false; \
        __VA_ARGS__                                         \
        return finish(sim, i);                              \
    }

#define STORING(name, size, data)                              \
    ACCESS(name) {                                             \
        if (UNLIKELY(!store(sim, i, data, size))) return false; \
        return finish(sim, i);                                 \
    }

static void broadcast(union pie_vector *q, const union pie_vector *element, uint32_t size) {
    for (uint32_t at = 0; at < sizeof q->u8; at += size) memcpy(q->u8 + at, element, size);
}

LOADING(load_full, 16, Q(qu) = loaded;)
LOADING(load_low, 8, memcpy(Q(qu).u8, &loaded, 8);)
LOADING(load_high, 8, memcpy(Q(qu).u8 + 8, &loaded, 8);)
LOADING(load_byte, 1, broadcast(&Q(qu), &loaded, 1);)
LOADING(load_half, 2, broadcast(&Q(qu), &loaded, 2);)
LOADING(load_word, 4, broadcast(&Q(qu), &loaded, 4);)
LOADING(load_usar, 16, Q(qu) = loaded; sim->pie.sar_byte = sim->x[i->rs1] & 15;)
LOADING(load_indexed, 4, Q(qu).u32[i->select] = loaded.u32[0];)
LOADING(load_ua, 16, sim->pie.ua_state = loaded;)
LOADING(load_xacc, 8, memcpy(&sim->pie.xacc, &loaded, 8); sim->pie.xacc &= UINT64_MAX >> 24;)
LOADING(load_quarter, 16, sim->pie.qacc.quarter[i->select] = loaded; sim->pie.forbidden &= ~NEED_QUARTER(i->select);)

/* Each lane extended to twice its width, or to an accumulator of four times. */
#define EXTENDING(type, wide, count)                                             \
    LOADING(extend_##type, 16, union pie_vector high;                                   \
            for (int lane = 0; lane < count / 2; lane++) {                              \
                Q(qu).wide[lane] = loaded.type[lane];                                   \
                high.wide[lane] = loaded.type[lane + count / 2];                        \
            }                                                                           \
            if (i->qz != i->qu) Q(qz) = high;)
EXTENDING(s8, s16, 16)
EXTENDING(u8, u16, 16)
EXTENDING(s16, s32, 8)
EXTENDING(u16, u32, 8)

#define ACCUMULATING(type, wide, count)                                                              \
    LOADING(accumulate_##type, 16, for (int lane = 0; lane < count; lane++) sim->pie.qacc.wide[lane] = \
                                       loaded.type[lane];                                            \
            sim->pie.forbidden &= ~(uint32_t)NEED_QACC;)
ACCUMULATING(s8, s32, 16)
ACCUMULATING(u8, u32, 16)
ACCUMULATING(s16, s64, 8)
ACCUMULATING(u16, u64, 8)

LOADING(load_duplicate, 16, union pie_vector high;
        for (int lane = 0; lane < 8; lane++) {
            Q(qu).u16[lane] = loaded.u16[lane / 2];
            high.u16[lane] = loaded.u16[4 + lane / 2];
        }
        if (i->qz != i->qu) Q(qz) = high;)

STORING(store_full, 16, &Q(qu))
STORING(store_low, 8, Q(qu).u8)
STORING(store_high, 8, Q(qu).u8 + 8)
STORING(store_indexed, 4, &Q(qu).u32[i->select])
STORING(store_ua, 16, &sim->pie.ua_state)
STORING(store_quarter, 16, &sim->pie.qacc.quarter[i->select])

ACCESS(store_xacc) {
    /* The s form extends the sign of the 40 bits. */
    int64_t value = (int64_t)(sim->pie.xacc << 24) >> 24;
    if (i->lanes == PIE_L_U64) value = (int64_t)sim->pie.xacc;
    if (!store(sim, i, &value, 8)) return false;
    return finish(sim, i);
}

ACCESS(store_spliced) {
    union pie_vector both[2] = {Q(qw), Q(qy)};
    if (!store(sim, i, both[0].u8 + sim->pie.sar_byte, 16)) return false;
    return finish(sim, i);
}

/* The forms of instructions that compute too. */
LOADING(compute_load, 16, i->compute(sim, i); Q(qu) = loaded;)
LOADING(compute_broadcast, i->size, i->compute(sim, i); broadcast(&Q(qu), &loaded, i->size);)

ACCESS(compute_store) {
    if (UNLIKELY(!store(sim, i, &Q(qu), 16))) return false;
    i->compute(sim, i);
    return finish(sim, i);
}

static pie_access by_lanes(const struct pie_instruction *i, pie_access s8, pie_access u8, pie_access s16,
                           pie_access u16) {
    switch (i->lanes) {
    case PIE_L_S8: return s8;
    case PIE_L_U8: return u8;
    case PIE_L_S16: return s16;
    default: return u16;
    }
}

pie_access p4c_pie_access(const struct pie_instruction *i) {
    switch (i->family) {
    case PIE_F_LOAD_128: return load_full;
    case PIE_F_LOAD_LOW: return load_low;
    case PIE_F_LOAD_HIGH: return load_high;
    case PIE_F_LOAD_BROADCAST: return i->size == 1 ? load_byte : i->size == 2 ? load_half : load_word;
    case PIE_F_LOAD_EXTEND: return by_lanes(i, extend_s8, extend_u8, extend_s16, extend_u16);
    case PIE_F_LOAD_DUPLICATE: return load_duplicate;
    case PIE_F_LOAD_USAR: return load_usar;
    case PIE_F_LOAD_INDEXED: return load_indexed;
    case PIE_F_LOAD_QACC_LANES: return by_lanes(i, accumulate_s8, accumulate_u8, accumulate_s16, accumulate_u16);
    case PIE_F_LOAD_QACC_LL:
    case PIE_F_LOAD_QACC_LH:
    case PIE_F_LOAD_QACC_HL:
    case PIE_F_LOAD_QACC_HH: return load_quarter;
    case PIE_F_LOAD_XACC: return load_xacc;
    case PIE_F_LOAD_UA: return load_ua;
    case PIE_F_STORE_128: return store_full;
    case PIE_F_STORE_LOW: return store_low;
    case PIE_F_STORE_HIGH: return store_high;
    case PIE_F_STORE_INDEXED: return store_indexed;
    case PIE_F_STORE_SPLICED: return store_spliced;
    case PIE_F_STORE_QACC_LL:
    case PIE_F_STORE_QACC_LH:
    case PIE_F_STORE_QACC_HL:
    case PIE_F_STORE_QACC_HH: return store_quarter;
    case PIE_F_STORE_XACC: return store_xacc;
    case PIE_F_STORE_UA: return store_ua;
    default: break;
    }
    if (i->compute == NULL || i->memory == PIE_M_NONE) return NULL;
    if (i->memory == PIE_M_LDBC_INCP) return compute_broadcast;
    return i->store ? compute_store : compute_load;
}
