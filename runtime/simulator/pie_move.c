/* pie_move.c: the families that move data: shifts by bits and bytes, zips, extension, single lanes, registers. */
#include <string.h>

#include "pie_lanes.h"

/* Bytes SAR_BYTE.. of the 32 bytes {qw, qy}; to qw in the forms that load, which have no qz. */
COMPUTE(src_q) {
    const union pie_vector both[2] = {Q(qw), Q(qy)};
    memcpy(i->memory == PIE_M_NONE ? &Q(qz) : &Q(qw), both[0].u8 + sim->pie.sar_byte, 16);
}

COMPUTE(src_q_qup) {
    const union pie_vector both[2] = {Q(qw), Q(qy)};
    Q(qw) = both[1];
    memcpy(&Q(qz), both[0].u8 + sim->pie.sar_byte, 16);
}

/* The 256 bits with qw below qy, moved by 1..16 bytes; zeros come in. */
static void shift_pair(struct p4c_sim *sim, const struct pie_instruction *i, uint32_t count, bool left) {
    const union pie_vector both[2] = {Q(qw), Q(qy)};
    uint8_t moved[32] = {0};
    memcpy(moved + (left ? count : 0), both[0].u8 + (left ? 0 : count), 32 - count);
    memcpy(&Q(qw), moved, 16);
    memcpy(&Q(qy), moved + 16, 16);
}

COMPUTE(slci) { shift_pair(sim, i, i->select + 1u, true); }
COMPUTE(srci) { shift_pair(sim, i, i->select + 1u, false); }

COMPUTE(slcxxp) {
    shift_pair(sim, i, (sim->x[i->rs1] & 15) + 1, true);
    sim->x[i->rs1] += sim->x[i->rs2];
}

COMPUTE(srcxxp) {
    shift_pair(sim, i, (sim->x[i->rs1] & 15) + 1, false);
    sim->x[i->rs1] += sim->x[i->rs2];
}

/* Two or three registers as one run of `size`-byte elements: interleaved, or taken apart again. The last
 * operand wins where two are the same register. */
static void zip(struct p4c_sim *sim, const uint8_t *registers, uint32_t count, uint32_t size, bool apart) {
    uint8_t from[48];
    uint8_t to[48];
    const uint32_t lanes = 16 / size;
    for (uint32_t r = 0; r < count; r++) memcpy(from + 16 * r, &sim->pie.q[registers[r]], 16);
    for (uint32_t r = 0; r < count; r++) {
        for (uint32_t lane = 0; lane < lanes; lane++) {
            uint32_t plain = (r * lanes + lane) * size;
            uint32_t mixed = (lane * count + r) * size;
            memcpy(to + (apart ? plain : mixed), from + (apart ? mixed : plain), size);
        }
    }
    for (uint32_t r = 0; r < count; r++) memcpy(&sim->pie.q[registers[r]], to + 16 * r, 16);
}

#define ZIP(type, size)                                                                             \
    COMPUTE(vzip_##type) { zip(sim, (const uint8_t[]){i->qx, i->qy}, 2, size, false); }             \
    COMPUTE(vunzip_##type) { zip(sim, (const uint8_t[]){i->qx, i->qy}, 2, size, true); }            \
    COMPUTE(vzipt_##type) { zip(sim, (const uint8_t[]){i->qx, i->qy, i->qw}, 3, size, false); }     \
    COMPUTE(vunzipt_##type) { zip(sim, (const uint8_t[]){i->qx, i->qy, i->qw}, 3, size, true); }
ZIP(u8, 1)
ZIP(u16, 2)

COMPUTE(vzip_u32) { zip(sim, (const uint8_t[]){i->qx, i->qy}, 2, 4, false); }
COMPUTE(vunzip_u32) { zip(sim, (const uint8_t[]){i->qx, i->qy}, 2, 4, true); }

/* Lanes of qw at twice their width: the low half to qz, the high half to qv; qz wins. */
#define EXTEND(type, wide, half)                                    \
    COMPUTE(vext_##type) {                                          \
        const union pie_vector from = Q(qw);                        \
        union pie_vector low;                                       \
        for (int lane = 0; lane < half; lane++) {                   \
            low.wide[lane] = from.type[lane];                       \
            Q(qv).wide[lane] = from.type[lane + half];              \
        }                                                           \
        Q(qz) = low;                                                \
    }
EXTEND(s8, s16, 8)
EXTEND(u8, u16, 8)
EXTEND(s16, s32, 4)
EXTEND(u16, u32, 4)

COMPUTE(movi_a_u8) { sim->x[i->rd] = Q(qy).u8[i->select % 16]; }
COMPUTE(movi_a_u16) { sim->x[i->rd] = Q(qy).u16[i->select % 8]; }
COMPUTE(movi_a_u32) { sim->x[i->rd] = Q(qy).u32[i->select % 4]; }
COMPUTE(movi_q_u8) { Q(qy).u8[i->select % 16] = (uint8_t)sim->x[i->rs1]; }
COMPUTE(movi_q_u16) { Q(qy).u16[i->select % 8] = (uint16_t)sim->x[i->rs1]; }
COMPUTE(movi_q_u32) { Q(qy).u32[i->select % 4] = sim->x[i->rs1]; }
COMPUTE(zero_q) { Q(qz) = (union pie_vector){0}; }

/* Special registers. XACC splits into 32 and 8 bits. */
COMPUTE(read_cfg) {
    sim->x[i->rd] = sim->pie.cfg;
    sim->pie.cfg &= ~(uint32_t)CFG_SATURATED;
}
COMPUTE(read_sar) { sim->x[i->rd] = sim->pie.sar; }
COMPUTE(read_sar_bytes) { sim->x[i->rd] = sim->pie.sar_byte; }
COMPUTE(read_fft) { sim->x[i->rd] = sim->pie.fft_bit_width; }
COMPUTE(read_xacc_low) { sim->x[i->rd] = (uint32_t)sim->pie.xacc; }
COMPUTE(read_xacc_high) { sim->x[i->rd] = (uint32_t)(int8_t)(sim->pie.xacc >> 32); }
COMPUTE(write_cfg) {
    sim->pie.cfg = (sim->pie.cfg & ~(uint32_t)CFG_WRITABLE) | (sim->x[i->rs1] & CFG_WRITABLE);
}
COMPUTE(write_sar) { sim->pie.sar = sim->x[i->rs1] & 63; }
COMPUTE(write_sar_bytes) { sim->pie.sar_byte = sim->x[i->rs1] & 15; }
COMPUTE(write_fft) { sim->pie.fft_bit_width = sim->x[i->rs1] & 15; }
COMPUTE(write_xacc_low) { sim->pie.xacc = (sim->pie.xacc >> 32 << 32) | sim->x[i->rs1]; }
COMPUTE(write_xacc_high) {
    sim->pie.xacc = (sim->pie.xacc & UINT32_MAX) | (uint64_t)(sim->x[i->rs1] & 0xff) << 32;
}

pie_compute p4c_pie_move(uint8_t family, uint8_t lanes) {
    static const pie_compute TABLE[PIE_FAMILIES][PIE_LANE_TYPES] = {
        [PIE_F_SRC_Q] = {[PIE_L_NONE] = src_q},
        [PIE_F_SRC_Q_QUP] = {[PIE_L_NONE] = src_q_qup},
        [PIE_F_SLCI] = {[PIE_L_NONE] = slci},
        [PIE_F_SRCI] = {[PIE_L_NONE] = srci},
        [PIE_F_SLCXXP] = {[PIE_L_NONE] = slcxxp},
        [PIE_F_SRCXXP] = {[PIE_L_NONE] = srcxxp},
        [PIE_F_VZIP] = {[PIE_L_U8] = vzip_u8, [PIE_L_U16] = vzip_u16, [PIE_L_U32] = vzip_u32},
        [PIE_F_VUNZIP] = {[PIE_L_U8] = vunzip_u8, [PIE_L_U16] = vunzip_u16, [PIE_L_U32] = vunzip_u32},
        [PIE_F_VZIPT] = {[PIE_L_U8] = vzipt_u8, [PIE_L_U16] = vzipt_u16},
        [PIE_F_VUNZIPT] = {[PIE_L_U8] = vunzipt_u8, [PIE_L_U16] = vunzipt_u16},
        [PIE_F_VEXT] = {[PIE_L_S8] = vext_s8, [PIE_L_U8] = vext_u8, [PIE_L_S16] = vext_s16, [PIE_L_U16] = vext_u16},
        [PIE_F_MOVI_A] = {[PIE_L_U8] = movi_a_u8, [PIE_L_U16] = movi_a_u16, [PIE_L_U32] = movi_a_u32},
        [PIE_F_MOVI_Q] = {[PIE_L_U8] = movi_q_u8, [PIE_L_U16] = movi_q_u16, [PIE_L_U32] = movi_q_u32},
        [PIE_F_ZERO_Q] = {[PIE_L_NONE] = zero_q},
        [PIE_F_MOVX_R_CFG] = {[PIE_L_NONE] = read_cfg},
        [PIE_F_MOVX_R_SAR] = {[PIE_L_NONE] = read_sar},
        [PIE_F_MOVX_R_SAR_BYTES] = {[PIE_L_NONE] = read_sar_bytes},
        [PIE_F_MOVX_R_FFT_BIT_WIDTH] = {[PIE_L_NONE] = read_fft},
        [PIE_F_MOVX_R_XACC_L] = {[PIE_L_NONE] = read_xacc_low},
        [PIE_F_MOVX_R_XACC_H] = {[PIE_L_NONE] = read_xacc_high},
        [PIE_F_MOVX_W_CFG] = {[PIE_L_NONE] = write_cfg},
        [PIE_F_MOVX_W_SAR] = {[PIE_L_NONE] = write_sar},
        [PIE_F_MOVX_W_SAR_BYTES] = {[PIE_L_NONE] = write_sar_bytes},
        [PIE_F_MOVX_W_FFT_BIT_WIDTH] = {[PIE_L_NONE] = write_fft},
        [PIE_F_MOVX_W_XACC_L] = {[PIE_L_NONE] = write_xacc_low},
        [PIE_F_MOVX_W_XACC_H] = {[PIE_L_NONE] = write_xacc_high},
    };
    return TABLE[family][lanes];
}
