/* pie_shift.c: shifts of every lane, by SAR or by an amount per lane. */
#include "pie_lanes.h"

#define LOW_BITS(value, bits) ((int32_t)((uint32_t)(value) << (32 - (bits))) >> (32 - (bits)))

/* value * 2^amount, or / 2^-amount with rounding, narrowed; |amount| is at most 32 and value a lane. */
static int64_t shifted(struct p4c_sim *sim, const struct pie_instruction *i, int64_t value, int32_t amount,
                       int64_t low, int64_t high) {
    int64_t result = amount >= 0 ? value * (INT64_C(1) << amount)
                                 : shift_right(&sim->pie, value, (uint32_t)-amount, rounding_of(&sim->pie, i));
    return narrow(&sim->pie, result, low, high, i->saturate);
}

/* Amounts per lane come from qw, as many bits with sign as reach from one end of a lane to the other. */
#define BY_LANE(type, ctype, count, bits, low, high)                                              \
    COMPUTE(vsld_##type) {                                                                        \
        const union pie_vector y = Q(qy), w = Q(qw);                                              \
        for (int lane = 0; lane < count; lane++) {                                                \
            int32_t amount = LOW_BITS(w.type[lane], bits);                                        \
            Q(qu).type[lane] = (ctype)shifted(sim, i, y.type[lane], amount, low, high);           \
        }                                                                                         \
    }                                                                                             \
    COMPUTE(vsrd_##type) {                                                                        \
        const union pie_vector y = Q(qy), w = Q(qw);                                              \
        for (int lane = 0; lane < count; lane++) {                                                \
            int32_t amount = LOW_BITS(w.type[lane], bits);                                        \
            Q(qu).type[lane] = (ctype)shifted(sim, i, y.type[lane], -amount, low, high);          \
        }                                                                                         \
    }
BY_LANE(s8, int8_t, 16, 4, INT8_MIN, INT8_MAX)
BY_LANE(s16, int16_t, 8, 5, INT16_MIN, INT16_MAX)
BY_LANE(s32, int32_t, 4, 6, INT32_MIN, INT32_MAX)

#define BY_SAR(type, ctype, low, high)                                                               \
    COMPUTE(vsl_##type) {                                                                            \
        const union pie_vector y = Q(qy);                                                            \
        const int32_t amount = (int32_t)(sim->pie.sar & 31);                                         \
        for (int lane = 0; lane < 4; lane++) {                                                       \
            Q(qu).type[lane] = (ctype)shifted(sim, i, y.type[lane], amount, low, high);              \
        }                                                                                            \
    }                                                                                                \
    COMPUTE(vsr_##type) {                                                                            \
        const union pie_vector y = Q(qy);                                                            \
        const uint32_t mode = rounding_of(&sim->pie, i);                                             \
        for (int lane = 0; lane < 4; lane++) {                                                       \
            Q(qu).type[lane] = (ctype)shift_right(&sim->pie, y.type[lane], sim->pie.sar & 31, mode); \
        }                                                                                            \
    }
BY_SAR(s32, int32_t, INT32_MIN, INT32_MAX)
BY_SAR(u32, uint32_t, 0, UINT32_MAX)

#define ROW(name) {[PIE_L_S8] = name##_s8, [PIE_L_S16] = name##_s16, [PIE_L_S32] = name##_s32}

pie_compute p4c_pie_shift(uint8_t family, uint8_t lanes) {
    static const pie_compute TABLE[PIE_FAMILIES][PIE_LANE_TYPES] = {
        [PIE_F_VSLD] = ROW(vsld),
        [PIE_F_VSRD] = ROW(vsrd),
        [PIE_F_VSL] = {[PIE_L_S32] = vsl_s32, [PIE_L_U32] = vsl_u32},
        [PIE_F_VSR] = {[PIE_L_S32] = vsr_s32, [PIE_L_U32] = vsr_u32},
    };
    return TABLE[family][lanes];
}
