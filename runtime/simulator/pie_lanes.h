/* pie_lanes.h: lane types and the arithmetic that every family shares: rounding shifts, narrowing, notes in CFG. */
#ifndef P4C_SIM_PIE_LANES_H
#define P4C_SIM_PIE_LANES_H

#include "pie_tables.h"
#include "state.h"

/* Lane type, C type, lanes per register, least and greatest value. */
#define FOR_EACH_BYTE_TYPE(X)             \
    X(s8, int8_t, 16, INT8_MIN, INT8_MAX) \
    X(u8, uint8_t, 16, 0, UINT8_MAX)
#define FOR_EACH_HALF_TYPE(X)                 \
    X(s16, int16_t, 8, INT16_MIN, INT16_MAX) \
    X(u16, uint16_t, 8, 0, UINT16_MAX)
#define FOR_EACH_WORD_TYPE(X)                 \
    X(s32, int32_t, 4, INT32_MIN, INT32_MAX) \
    X(u32, uint32_t, 4, 0, UINT32_MAX)
#define FOR_EACH_NARROW_TYPE(X) FOR_EACH_BYTE_TYPE(X) FOR_EACH_HALF_TYPE(X)
#define FOR_EACH_LANE_TYPE(X) FOR_EACH_NARROW_TYPE(X) FOR_EACH_WORD_TYPE(X)

#define COMPUTE(name) static void name(struct p4c_sim *sim, const struct pie_instruction *i)
#define Q(operand) sim->pie.q[i->operand]

static inline uint32_t rounding_of(const struct pie_state *pie, const struct pie_instruction *i) {
    return i->rounding == PIE_ROUNDING_DYNAMIC ? pie->cfg >> CFG_VXRM_SHIFT & 7 : i->rounding;
}

/* Whether floor(value / 2^n) with this remainder goes up; half is 2^(n-1), not 0 where n is. */
static inline bool rounds_up(uint32_t mode, bool positive, bool odd, uint64_t remainder, uint64_t half) {
    switch (mode) {
    case CEILING: return remainder != 0;
    case AWAY: return remainder != 0 && positive;
    case TOWARD_ZERO: return remainder != 0 && !positive;
    case HALF_AWAY: return remainder > half || (remainder == half && positive);
    case HALF_TOWARD_ZERO: return remainder > half || (remainder == half && !positive);
    case HALF_EVEN: return remainder > half || (remainder == half && odd);
    default: return false; /* FLOOR, UNNECESSARY */
    }
}

/* value / 2^amount, rounded; amount is 0..63. */
static inline int64_t shift_right(struct pie_state *pie, int64_t value, uint32_t amount, uint32_t mode) {
    int64_t floor = value >> amount;
    uint64_t remainder = (uint64_t)value - ((uint64_t)floor << amount);
    uint64_t half = amount == 0 ? 1 : UINT64_C(1) << (amount - 1);
    if (mode == UNNECESSARY && remainder != 0) pie->cfg |= CFG_INEXACT;
    return floor + rounds_up(mode, value > 0, floor & 1, remainder, half);
}

/* As shift_right, of a value without a sign. */
static inline uint64_t shift_right_unsigned(struct pie_state *pie, uint64_t value, uint32_t amount, uint32_t mode) {
    uint64_t floor = value >> amount;
    uint64_t remainder = value - (floor << amount);
    uint64_t half = amount == 0 ? 1 : UINT64_C(1) << (amount - 1);
    if (mode == UNNECESSARY && remainder != 0) pie->cfg |= CFG_INEXACT;
    return floor + rounds_up(mode, value != 0, floor & 1, remainder, half);
}

static inline void note_saturation(struct pie_state *pie) {
    if (pie->cfg & CFG_SAT_ENABLE) pie->cfg |= CFG_SATURATED;
}

/* A result brought into low..high: saturated and noted, or as it is, for the caller to keep its low bits. */
static inline int64_t narrow(struct pie_state *pie, int64_t value, int64_t low, int64_t high, bool saturate) {
    if (!saturate || (value >= low && value <= high)) return value;
    note_saturation(pie);
    return value < low ? low : high;
}

#endif
