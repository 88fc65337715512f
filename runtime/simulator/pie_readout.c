/* pie_readout.c: from accumulators to lanes and registers: srcmb, srcmb.q and srs shift, round and narrow. */
#include "pie_lanes.h"

/* What was read may have been overwritten by the shifted values on the chip: in strict mode it is gone. */
static inline void consume_qacc(struct p4c_sim *sim) {
    if (sim->pie.strict) sim->pie.forbidden |= NEED_QACC;
}

/* 16 lanes by one amount up to 31, in the rounding mode `mode`, a constant where this is inlined. */
static inline void read_out_s8(union pie_vector *to, const int32_t *qacc, uint32_t amount, uint32_t mode) {
    const uint32_t half = amount == 0 ? 1 : 1u << (amount - 1);
    for (int lane = 0; lane < 16; lane++) {
        int32_t floor = qacc[lane] >> amount;
        uint32_t remainder = (uint32_t)qacc[lane] - ((uint32_t)floor << amount);
        bool tie_up = mode == HALF_EVEN ? floor & 1 : false;
        bool up = mode == HALF_EVEN && (remainder > half || (remainder == half && tie_up));
        int32_t value = floor + up;
        to->s8[lane] = (int8_t)(value < INT8_MIN ? INT8_MIN : value > INT8_MAX ? INT8_MAX : value);
    }
}

/* value * 2^amount in a lane: saturated, or its low bits. */
static int64_t shift_left(struct pie_state *pie, int64_t value, uint32_t amount, int64_t low, int64_t high,
                          bool saturate) {
    if (!saturate) return (int64_t)((uint64_t)value << amount);
    if (value >= -(-low >> amount) && value <= high >> amount) return value * (INT64_C(1) << amount);
    note_saturation(pie);
    return value < 0 ? low : high;
}

/* One accumulator read out into a lane of low..high; a negative amount shifts left. */
static int64_t read_lane(struct pie_state *pie, const struct pie_instruction *i, int64_t value, int32_t amount,
                         int64_t low, int64_t high) {
    if (amount < 0) return shift_left(pie, value, (uint32_t)-amount, low, high, i->saturate);
    int64_t shifted = shift_right(pie, value, (uint32_t)amount, rounding_of(pie, i));
    return narrow(pie, shifted, low, high, i->saturate);
}

/* As read_lane, of an accumulator of 64 bits without a sign. */
static int64_t read_unsigned(struct pie_state *pie, const struct pie_instruction *i, uint64_t value, int32_t amount,
                             int64_t high) {
    bool fits = value <= INT64_MAX;
    if (amount < 0) {
        if (!i->saturate) return (int64_t)(value << -amount);
        return shift_left(pie, fits ? (int64_t)value : INT64_MAX, (uint32_t)-amount, 0, high, true);
    }
    uint64_t shifted = shift_right_unsigned(pie, value, (uint32_t)amount, rounding_of(pie, i));
    if (!i->saturate || shifted <= (uint64_t)high) return (int64_t)shifted;
    note_saturation(pie);
    return high;
}

#define READ_s8(lane, amount) read_lane(&sim->pie, i, sim->pie.qacc.s32[lane], amount, INT8_MIN, INT8_MAX)
#define READ_u8(lane, amount) read_lane(&sim->pie, i, sim->pie.qacc.u32[lane], amount, 0, UINT8_MAX)
#define READ_s16(lane, amount) read_lane(&sim->pie, i, sim->pie.qacc.s64[lane], amount, INT16_MIN, INT16_MAX)
#define READ_u16(lane, amount) read_unsigned(&sim->pie, i, sim->pie.qacc.u64[lane], amount, UINT16_MAX)

static int32_t limited(int32_t amount) { return amount < -63 ? -63 : amount > 63 ? 63 : amount; }

#define READ_OUT(type, ctype, stype, count)                                                  \
    COMPUTE(srcmb_any_##type) {                                                              \
        const int32_t amount = (int32_t)(sim->x[i->rs1] & 63);                               \
        for (int lane = 0; lane < count; lane++) Q(qu).type[lane] = (ctype)READ_##type(lane, amount); \
        consume_qacc(sim);                                                                   \
    }                                                                                        \
    COMPUTE(srcmb_q_##type) {                                                                \
        const union pie_vector amounts = Q(qw);                                              \
        for (int lane = 0; lane < count; lane++) {                                           \
            Q(qu).type[lane] = (ctype)READ_##type(lane, limited(amounts.stype[lane]));       \
        }                                                                                    \
        consume_qacc(sim);                                                                   \
    }
READ_OUT(s8, int8_t, s8, 16)
READ_OUT(u8, uint8_t, s8, 16)
READ_OUT(s16, int16_t, s16, 8)
READ_OUT(u16, uint16_t, s16, 8)

/* The two modes that kernels use, for the host's vector unit. */
COMPUTE(srcmb_s8) {
    const uint32_t amount = sim->x[i->rs1] & 63;
    const uint32_t mode = rounding_of(&sim->pie, i);
    const bool plain = i->saturate && amount <= 31 && !(sim->pie.cfg & CFG_SAT_ENABLE);
    if (plain && mode == HALF_EVEN) {
        read_out_s8(&Q(qu), sim->pie.qacc.s32, amount, HALF_EVEN);
    } else if (plain && mode == FLOOR) {
        read_out_s8(&Q(qu), sim->pie.qacc.s32, amount, FLOOR);
    } else {
        srcmb_any_s8(sim, i);
    }
    consume_qacc(sim);
}

/* XACC itself is shifted too. */
COMPUTE(srs_signed) {
    struct pie_state *pie = &sim->pie;
    int64_t value = (int64_t)(pie->xacc << 24) >> 24;
    int64_t shifted = shift_right(pie, value, sim->x[i->rs1] & 63, rounding_of(pie, i));
    sim->x[i->rd] = (uint32_t)narrow(pie, shifted, INT32_MIN, INT32_MAX, i->saturate);
    pie->xacc = (uint64_t)shifted & UINT64_MAX >> 24;
}

COMPUTE(srs_unsigned) {
    struct pie_state *pie = &sim->pie;
    uint64_t shifted = shift_right_unsigned(pie, pie->xacc, sim->x[i->rs1] & 63, rounding_of(pie, i));
    sim->x[i->rd] = (uint32_t)narrow(pie, (int64_t)shifted, 0, UINT32_MAX, i->saturate);
    pie->xacc = shifted;
}

pie_compute p4c_pie_readout(uint8_t family, uint8_t lanes) {
    static const pie_compute TABLE[PIE_FAMILIES][PIE_LANE_TYPES] = {
        [PIE_F_SRCMB] = {[PIE_L_S8] = srcmb_s8,
                         [PIE_L_U8] = srcmb_any_u8,
                         [PIE_L_S16] = srcmb_any_s16,
                         [PIE_L_U16] = srcmb_any_u16},
        [PIE_F_SRCMB_Q] = {[PIE_L_S8] = srcmb_q_s8,
                           [PIE_L_U8] = srcmb_q_u8,
                           [PIE_L_S16] = srcmb_q_s16,
                           [PIE_L_U16] = srcmb_q_u16},
        [PIE_F_SRS] = {[PIE_L_S32] = srs_signed, [PIE_L_U32] = srs_unsigned},
    };
    return TABLE[family][lanes];
}
