/* pie_arithmetic.c: the families that compute lane by lane, and PIE's scalar arithmetic. */
#include "pie_lanes.h"

/* Loops over lanes; `value` may use `x` and `y`, the lanes of qx and qy, as numbers of `xtype`. */
#define LOOP(type, ctype, xtype, count, result, value)         \
    for (int lane = 0; lane < count; lane++) {                 \
        const xtype x = left.type[lane], y = right.type[lane]; \
        (void)x, (void)y;                                      \
        to.type[lane] = (ctype)(value);                        \
    }                                                          \
    Q(result) = to
#define LANES(name, type, ctype, xtype, count, result, value)   \
    COMPUTE(name##_##type) {                                    \
        const union pie_vector left = Q(qx), right = Q(qy);     \
        union pie_vector to;                                    \
        LOOP(type, ctype, xtype, count, result, value);         \
    }

/* Sums: where nobody wants to know what saturated, a plain clamp, which the host's vector unit does. */
#define CLAMP(value, low, high) ((value) < (low) ? (low) : (value) > (high) ? (high) : (value))
#define SUMS(name, type, ctype, count, low, high, value)              \
    COMPUTE(name##_##type) {                                          \
        const union pie_vector left = Q(qx), right = Q(qy);           \
        const ctype scalar = (ctype)sim->x[i->rs1];                   \
        union pie_vector to;                                          \
        (void)scalar;                                                 \
        if (i->saturate && !(sim->pie.cfg & CFG_SAT_ENABLE)) {        \
            LOOP(type, ctype, int64_t, count, qv, CLAMP(value, low, high)); \
        } else {                                                      \
            LOOP(type, ctype, int64_t, count, qv, NARROW(value, low, high)); \
        }                                                             \
    }
#define NARROW(value, low, high) narrow(&sim->pie, value, low, high, i->saturate)
#define SHIFT(value) shift_right(&sim->pie, value, sim->pie.sar, rounding_of(&sim->pie, i))

#define ANY_WIDTH(type, ctype, count, low, high)                           \
    SUMS(vadd, type, ctype, count, low, high, x + y)                       \
    SUMS(vsub, type, ctype, count, low, high, x - y)                       \
    LANES(vmax, type, ctype, ctype, count, qz, x > y ? x : y)              \
    LANES(vmin, type, ctype, ctype, count, qz, x < y ? x : y)              \
    LANES(vcmp_eq, type, ctype, ctype, count, qz, -(x == y))               \
    LANES(vcmp_lt, type, ctype, ctype, count, qz, -(x < y))                \
    LANES(vcmp_gt, type, ctype, ctype, count, qz, -(x > y))                \
    COMPUTE(vsat_##type) {                                                 \
        const ctype a = (ctype)sim->x[i->rs1], b = (ctype)sim->x[i->rs2];  \
        const ctype least = a < b ? a : b, most = a < b ? b : a;           \
        const union pie_vector left = Q(qx), right = left;                 \
        union pie_vector to;                                               \
        LOOP(type, ctype, ctype, count, qz, CLAMP(x, least, most));        \
    }                                                                      \
    COMPUTE(max_##type) {                                                  \
        ctype value = Q(qw).type[0];                                       \
        for (int lane = 1; lane < count; lane++) {                         \
            if (Q(qw).type[lane] > value) value = Q(qw).type[lane];        \
        }                                                                  \
        sim->x[i->rd] = (uint32_t)value;                                   \
    }                                                                      \
    COMPUTE(min_##type) {                                                  \
        ctype value = Q(qw).type[0];                                       \
        for (int lane = 1; lane < count; lane++) {                         \
            if (Q(qw).type[lane] < value) value = Q(qw).type[lane];        \
        }                                                                  \
        sim->x[i->rd] = (uint32_t)value;                                   \
    }
FOR_EACH_LANE_TYPE(ANY_WIDTH)

#define UP_TO_HALF(type, ctype, count, low, high)                                               \
    LANES(vmul, type, ctype, int64_t, count, qz, NARROW(SHIFT(x * y), low, high))               \
    SUMS(vsadds, type, ctype, count, low, high, x + scalar)                                     \
    SUMS(vssubs, type, ctype, count, low, high, x - scalar)                                     \
    /* Complex products of one half of the lanes; the other half of the result is kept. */      \
    COMPUTE(cmul_##type) {                                                                      \
        const union pie_vector left = Q(qx), right = Q(qy);                                     \
        const int first = i->select & 1 ? count / 2 : 0;                                        \
        const int64_t sign = i->select & 2 ? -1 : 1;                                            \
        for (int lane = first; lane < first + count / 2; lane += 2) {                           \
            const int64_t a = left.type[lane], b = sign * left.type[lane + 1];                  \
            const int64_t c = right.type[lane], d = right.type[lane + 1];                       \
            Q(qz).type[lane] = (ctype)NARROW(SHIFT(a * c - b * d), low, high);                  \
            Q(qz).type[lane + 1] = (ctype)NARROW(SHIFT(a * d + b * c), low, high);              \
        }                                                                                       \
    }
FOR_EACH_NARROW_TYPE(UP_TO_HALF)

/* What the negative side of a leaky ReLU becomes; the shift is the register's low 6 bits. */
static int64_t leak(struct p4c_sim *sim, const struct pie_instruction *i, int64_t x, int64_t alpha, int64_t low,
                    int64_t high) {
    int64_t scaled = shift_right(&sim->pie, x > 0 ? 0 : x * alpha, sim->x[i->rs1] & 63, rounding_of(&sim->pie, i));
    return NARROW(x > 0 ? x : scaled, low, high);
}

/* vrelu with alpha 0, the plain ReLU, has nothing to shift. */
#define LEAKY(type, ctype, count, low, high)                                                    \
    COMPUTE(vrelu_##type) {                                                                     \
        const union pie_vector left = Q(qy), right = left;                                      \
        const ctype alpha = (ctype)sim->x[i->rs2];                                              \
        union pie_vector to;                                                                    \
        if (alpha == 0) {                                                                       \
            LOOP(type, ctype, ctype, count, qy, x > 0 ? x : 0);                                 \
        } else {                                                                                \
            LOOP(type, ctype, int64_t, count, qy, leak(sim, i, x, alpha, low, high));           \
        }                                                                                       \
    }                                                                                           \
    LANES(vprelu, type, ctype, int64_t, count, qz, leak(sim, i, y, x, low, high))
LEAKY(s8, int8_t, 16, INT8_MIN, INT8_MAX)
LEAKY(s16, int16_t, 8, INT16_MIN, INT16_MAX)

LANES(vabs, s8, int8_t, int64_t, 16, qv, NARROW(y < 0 ? -y : y, INT8_MIN, INT8_MAX))
LANES(vabs, s16, int16_t, int64_t, 8, qv, NARROW(y < 0 ? -y : y, INT16_MIN, INT16_MAX))
LANES(vabs, s32, int32_t, int64_t, 4, qv, NARROW(y < 0 ? -y : y, INT32_MIN, INT32_MAX))

COMPUTE(vclamp_s16) {
    const union pie_vector from = Q(qx);
    const int32_t limit = 1 << i->select;
    for (int lane = 0; lane < 8; lane++) {
        int32_t x = from.s16[lane];
        Q(qz).s16[lane] = (int16_t)(x < -limit ? -limit : x > limit - 1 ? limit - 1 : x);
    }
}

/* Products of twice the width: the low lanes' go to qz, the high lanes' to qv. */
#define WIDE(type, wide, ctype, count)                                             \
    COMPUTE(vmul_wide_##type) {                                                    \
        const union pie_vector left = Q(qx), right = Q(qy);                        \
        union pie_vector result[2];                                                \
        for (int lane = 0; lane < count; lane++) {                                 \
            int64_t product = (int64_t)left.type[lane] * right.type[lane];         \
            result[lane / (count / 2)].wide[lane % (count / 2)] = (ctype)SHIFT(product); \
        }                                                                          \
        Q(qv) = result[1];                                                         \
        Q(qz) = result[0];                                                         \
    }
WIDE(s8, s16, int16_t, 16)
WIDE(s16, s32, int32_t, 8)

#define LOGIC(name, value)                                              \
    COMPUTE(name) {                                                     \
        const union pie_vector left = Q(qx), right = Q(qy);             \
        for (int lane = 0; lane < 4; lane++) {                          \
            const uint32_t x = left.u32[lane], y = right.u32[lane];     \
            (void)y;                                                    \
            Q(qz).u32[lane] = (value);                                  \
        }                                                               \
    }
LOGIC(andq, x & y)
LOGIC(orq, x | y)
LOGIC(xorq, x ^ y)
LOGIC(notq, ~x)

/* Scalar: rd = rs1 +- (rs2 << n). */
COMPUTE(addx2) { sim->x[i->rd] = sim->x[i->rs1] + (sim->x[i->rs2] << 1); }
COMPUTE(addx4) { sim->x[i->rd] = sim->x[i->rs1] + (sim->x[i->rs2] << 2); }
COMPUTE(subx2) { sim->x[i->rd] = sim->x[i->rs1] - (sim->x[i->rs2] << 1); }
COMPUTE(subx4) { sim->x[i->rd] = sim->x[i->rs1] - (sim->x[i->rs2] << 2); }

/* Scalar: rd, whose number x0 reads as 0 is in `select`, clamped between two registers. */
COMPUTE(sat) {
    const int32_t a = (int32_t)sim->x[i->rs1], b = (int32_t)sim->x[i->rs2];
    const int32_t least = a < b ? a : b, most = a < b ? b : a;
    const int32_t value = (int32_t)sim->x[i->select];
    sim->x[i->rd] = (uint32_t)(value < least ? least : value > most ? most : value);
}

#define ROW4(name) {[PIE_L_S8] = name##_s8, [PIE_L_U8] = name##_u8, [PIE_L_S16] = name##_s16, [PIE_L_U16] = name##_u16}
#define ROW6(name)                                                                                              \
    {[PIE_L_S8] = name##_s8,   [PIE_L_U8] = name##_u8,   [PIE_L_S16] = name##_s16, [PIE_L_U16] = name##_u16, \
     [PIE_L_S32] = name##_s32, [PIE_L_U32] = name##_u32}

pie_compute p4c_pie_arithmetic(uint8_t family, uint8_t lanes) {
    static const pie_compute TABLE[PIE_FAMILIES][PIE_LANE_TYPES] = {
        [PIE_F_VADD] = ROW6(vadd),
        [PIE_F_VSUB] = ROW6(vsub),
        [PIE_F_VMAX] = ROW6(vmax),
        [PIE_F_VMIN] = ROW6(vmin),
        [PIE_F_VCMP_EQ] = ROW6(vcmp_eq),
        [PIE_F_VCMP_LT] = ROW6(vcmp_lt),
        [PIE_F_VCMP_GT] = ROW6(vcmp_gt),
        [PIE_F_VSAT] = ROW6(vsat),
        [PIE_F_MAX_A] = ROW6(max),
        [PIE_F_MIN_A] = ROW6(min),
        [PIE_F_VMUL] = ROW4(vmul),
        [PIE_F_VSADDS] = ROW4(vsadds),
        [PIE_F_VSSUBS] = ROW4(vssubs),
        [PIE_F_CMUL] = ROW4(cmul),
        [PIE_F_VRELU] = {[PIE_L_S8] = vrelu_s8, [PIE_L_S16] = vrelu_s16},
        [PIE_F_VPRELU] = {[PIE_L_S8] = vprelu_s8, [PIE_L_S16] = vprelu_s16},
        [PIE_F_VABS] = {[PIE_L_S8] = vabs_s8, [PIE_L_S16] = vabs_s16, [PIE_L_S32] = vabs_s32},
        [PIE_F_VCLAMP] = {[PIE_L_S16] = vclamp_s16},
        [PIE_F_VMUL_WIDE] = {[PIE_L_S8] = vmul_wide_s8, [PIE_L_S16] = vmul_wide_s16},
        [PIE_F_ANDQ] = {[PIE_L_NONE] = andq},
        [PIE_F_ORQ] = {[PIE_L_NONE] = orq},
        [PIE_F_XORQ] = {[PIE_L_NONE] = xorq},
        [PIE_F_NOTQ] = {[PIE_L_NONE] = notq},
        [PIE_F_ADDX2] = {[PIE_L_S32] = addx2},
        [PIE_F_ADDX4] = {[PIE_L_S32] = addx4},
        [PIE_F_SUBX2] = {[PIE_L_S32] = subx2},
        [PIE_F_SUBX4] = {[PIE_L_S32] = subx4},
        [PIE_F_SAT] = {[PIE_L_S32] = sat},
    };
    return TABLE[family][lanes];
}
