/* pie_accumulate.c: the families that write QACC and XACC: multiply-accumulate, set, clear.
 *
 * The 8-bit forms carry the work of every network, so they are written for the host's vector unit: all lanes
 * wrap, one mask collects where that was wrong, and only then (after 131071 worst products) is a lane redone.
 */
#include "pie_lanes.h"

static COLD void saturate_s8(struct p4c_sim *sim, const int32_t *before, const int32_t *product) {
    for (int lane = 0; lane < 16; lane++) {
        int64_t sum = (int64_t)before[lane] + product[lane];
        sim->pie.qacc.s32[lane] = (int32_t)narrow(&sim->pie, sum, INT32_MIN, INT32_MAX, true);
    }
}

static inline void accumulate_s8(struct p4c_sim *sim, const struct pie_instruction *i, const int32_t *product) {
    uint32_t *const qacc = sim->pie.qacc.u32;
    uint32_t before[16];
    uint32_t overflow = 0;
    for (int lane = 0; lane < 16; lane++) {
        uint32_t sum = qacc[lane] + (uint32_t)product[lane];
        before[lane] = qacc[lane];
        overflow |= (qacc[lane] ^ sum) & ((uint32_t)product[lane] ^ sum);
        qacc[lane] = sum;
    }
    if (UNLIKELY(overflow >> 31) && i->saturate) saturate_s8(sim, (const int32_t *)before, product);
}

static inline void accumulate_u8(struct p4c_sim *sim, const struct pie_instruction *i, const uint32_t *product) {
    uint32_t *const qacc = sim->pie.qacc.u32;
    for (int lane = 0; lane < 16; lane++) {
        uint32_t sum = qacc[lane] + product[lane];
        if (UNLIKELY(sum < product[lane]) && i->saturate) {
            note_saturation(&sim->pie);
            sum = UINT32_MAX;
        }
        qacc[lane] = sum;
    }
}

static inline void accumulate_s16(struct p4c_sim *sim, const struct pie_instruction *i, const int64_t *product) {
    for (int lane = 0; lane < 8; lane++) {
        int64_t *qacc = &sim->pie.qacc.s64[lane];
        bool up = *qacc > 0;
        if (__builtin_add_overflow(*qacc, product[lane], qacc) && i->saturate) {
            note_saturation(&sim->pie);
            *qacc = up ? INT64_MAX : INT64_MIN;
        }
    }
}

static inline void accumulate_u16(struct p4c_sim *sim, const struct pie_instruction *i, const uint64_t *product) {
    for (int lane = 0; lane < 8; lane++) {
        uint64_t *qacc = &sim->pie.qacc.u64[lane];
        if (__builtin_add_overflow(*qacc, product[lane], qacc) && i->saturate) {
            note_saturation(&sim->pie);
            *qacc = UINT64_MAX;
        }
    }
}

/* Element-wise products of two vectors, and of a vector with one lane of the other. */
#define MULTIPLY(type, ptype, count)                                                        \
    COMPUTE(vmulas_##type) {                                                                       \
        const union pie_vector x = Q(qx), y = Q(qy);                                               \
        ptype product[count];                                                                      \
        for (int lane = 0; lane < count; lane++) product[lane] = (ptype)x.type[lane] * y.type[lane]; \
        accumulate_##type(sim, i, product);                                                        \
    }                                                                                              \
    COMPUTE(vsmulas_##type) {                                                                      \
        const union pie_vector x = Q(qx);                                                          \
        const ptype factor = Q(qy).type[i->select % count];                                        \
        ptype product[count];                                                                      \
        for (int lane = 0; lane < count; lane++) product[lane] = (ptype)x.type[lane] * factor;     \
        accumulate_##type(sim, i, product);                                                        \
    }
MULTIPLY(s8, int32_t, 16)
MULTIPLY(u8, uint32_t, 16)
MULTIPLY(s16, int64_t, 8)
MULTIPLY(u16, uint64_t, 8)

#define SET(type, wide, count)                                                                        \
    COMPUTE(mov_##type) {                                                                             \
        const union pie_vector from = Q(qu);                                                          \
        for (int lane = 0; lane < count; lane++) sim->pie.qacc.wide[lane] = from.type[lane];          \
        sim->pie.forbidden &= ~(uint32_t)NEED_QACC;                                                   \
    }
SET(s8, s32, 16)
SET(u8, u32, 16)
SET(s16, s64, 8)
SET(u16, u64, 8)

COMPUTE(zero_qacc) {
    (void)i;
    sim->pie.qacc = (union pie_accumulators){0};
    sim->pie.forbidden &= ~(uint32_t)NEED_QACC;
}

COMPUTE(zero_xacc) {
    (void)i;
    sim->pie.xacc = 0;
}

/* Complex products of the low or high half of the lanes, as (real, imaginary) pairs, into that half of QACC. */
#define COMPLEX(type, ptype, count)                                                       \
    static void vcmulas_##type(struct p4c_sim *sim, const struct pie_instruction *i, int first) { \
        const union pie_vector x = Q(qx), y = Q(qy);                                      \
        ptype product[count] = {0};                                                       \
        for (int lane = first; lane < first + count / 2; lane += 2) {                     \
            ptype a = x.type[lane], b = x.type[lane + 1];                                 \
            ptype c = y.type[lane], d = y.type[lane + 1];                                 \
            product[lane] = a * c - b * d;                                                \
            product[lane + 1] = a * d + b * c;                                            \
        }                                                                                 \
        accumulate_##type(sim, i, product);                                               \
    }                                                                                     \
    COMPUTE(vcmulas_##type##_low) { vcmulas_##type(sim, i, 0); }                          \
    COMPUTE(vcmulas_##type##_high) { vcmulas_##type(sim, i, count / 2); }
COMPLEX(s8, int32_t, 16)
COMPLEX(s16, int64_t, 8)

/* XACC += total, in its 40 bits. */
static void add_to_xacc(struct p4c_sim *sim, const struct pie_instruction *i, int64_t total, bool with_sign) {
    int64_t before = with_sign ? (int64_t)(sim->pie.xacc << 24) >> 24 : (int64_t)sim->pie.xacc;
    int64_t low = with_sign ? -(INT64_C(1) << 39) : 0;
    int64_t high = low + (INT64_C(1) << 40) - 1;
    sim->pie.xacc = (uint64_t)narrow(&sim->pie, before + total, low, high, i->saturate) & UINT64_MAX >> 24;
}

#define SUM(type, with_sign, count)                                                             \
    COMPUTE(vmulas_xacc_##type) {                                                               \
        const union pie_vector x = Q(qx), y = Q(qy);                                            \
        int64_t total = 0;                                                                      \
        for (int lane = 0; lane < count; lane++) total += (int64_t)x.type[lane] * y.type[lane]; \
        add_to_xacc(sim, i, total, with_sign);                                                  \
    }
SUM(s8, true, 16)
SUM(u8, false, 16)
SUM(s16, true, 8)
SUM(u16, false, 8)

#define ROW(name) {[PIE_L_S8] = name##_s8, [PIE_L_U8] = name##_u8, [PIE_L_S16] = name##_s16, [PIE_L_U16] = name##_u16}

pie_compute p4c_pie_accumulate(uint8_t family, uint8_t lanes) {
    static const pie_compute TABLE[PIE_FAMILIES][PIE_LANE_TYPES] = {
        [PIE_F_VMULAS_QACC] = ROW(vmulas),
        [PIE_F_VSMULAS_QACC] = ROW(vsmulas),
        [PIE_F_VMULAS_XACC] = ROW(vmulas_xacc),
        [PIE_F_MOV_QACC] = ROW(mov),
        [PIE_F_VCMULAS_QACC_L] = {[PIE_L_S8] = vcmulas_s8_low, [PIE_L_S16] = vcmulas_s16_low},
        [PIE_F_VCMULAS_QACC_H] = {[PIE_L_S8] = vcmulas_s8_high, [PIE_L_S16] = vcmulas_s16_high},
        [PIE_F_ZERO_QACC] = {[PIE_L_NONE] = zero_qacc},
        [PIE_F_ZERO_XACC] = {[PIE_L_NONE] = zero_xacc},
    };
    return TABLE[family][lanes];
}
