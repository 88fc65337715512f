/* compressed.c: 16-bit instructions (C, with the F loads and stores) as the 32-bit ones they stand for.
 *
 * The layout follows the chapter "C Standard Extension" of the RISC-V manual: a quadrant in bits 1..0,
 * funct3 in bits 15..13. Reserved encodings and those of D, RV64 and RV128 are illegal.
 */
#include "state.h"

#define ILLEGAL 0u
#define ZERO 0u
#define RA 1u
#define SP 2u

enum { OP_IMM = 0x13, OP = 0x33, LOAD = 0x03, STORE = 0x23, LOAD_FP = 0x07, STORE_FP = 0x27 };

/* Field bits high..low of an instruction, moved to bit `to`. */
static uint32_t field(uint32_t half, int high, int low, int to) {
    return ((half >> low) & ((2u << (high - low)) - 1)) << to;
}

static uint32_t sign_extend(uint32_t value, int bits) {
    uint32_t sign = 1u << (bits - 1);
    return (value ^ sign) - sign;
}

/* The 32-bit layouts. */
static uint32_t encode_r(uint32_t funct7, uint32_t rs2, uint32_t rs1, uint32_t funct3, uint32_t rd) {
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | OP;
}

static uint32_t encode_i(uint32_t opcode, uint32_t imm, uint32_t rs1, uint32_t funct3, uint32_t rd) {
    return imm << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;
}

static uint32_t encode_s(uint32_t opcode, uint32_t imm, uint32_t rs2, uint32_t rs1) {
    return field(imm, 11, 5, 25) | rs2 << 20 | rs1 << 15 | 2u << 12 | field(imm, 4, 0, 7) | opcode;
}

static uint32_t encode_branch(uint32_t imm, uint32_t rs1, uint32_t funct3) {
    return field(imm, 12, 12, 31) | field(imm, 10, 5, 25) | rs1 << 15 | funct3 << 12 | field(imm, 4, 1, 8) |
           field(imm, 11, 11, 7) | 0x63;
}

static uint32_t encode_jal(uint32_t imm, uint32_t rd) {
    return field(imm, 20, 20, 31) | field(imm, 10, 1, 21) | field(imm, 11, 11, 20) | field(imm, 19, 12, 12) |
           rd << 7 | 0x6f;
}

/* Quadrant 0: loads and stores relative to a register, with registers x8..x15. */
static uint32_t expand_quadrant0(uint32_t half) {
    uint32_t low = field(half, 4, 2, 0) + 8;  /* rd' or rs2' */
    uint32_t base = field(half, 9, 7, 0) + 8; /* rs1' */
    uint32_t offset = field(half, 12, 10, 3) | field(half, 6, 6, 2) | field(half, 5, 5, 6);
    switch (half >> 13) {
    case 0: { /* c.addi4spn */
        uint32_t imm =
            field(half, 12, 11, 4) | field(half, 10, 7, 6) | field(half, 6, 6, 2) | field(half, 5, 5, 3);
        return imm == 0 ? ILLEGAL : encode_i(OP_IMM, imm, SP, 0, low);
    }
    case 2: return encode_i(LOAD, offset, base, 2, low);
    case 3: return encode_i(LOAD_FP, offset, base, 2, low);
    case 6: return encode_s(STORE, offset, low, base);
    case 7: return encode_s(STORE_FP, offset, low, base);
    default: return ILLEGAL;
    }
}

/* Quadrant 1, funct3 4: shifts, andi and register arithmetic on x8..x15. */
static uint32_t expand_arithmetic(uint32_t half) {
    static const uint8_t FUNCT3[4] = {0, 4, 6, 7}; /* sub, xor, or, and */
    uint32_t rd = field(half, 9, 7, 0) + 8;
    uint32_t rs2 = field(half, 4, 2, 0) + 8;
    uint32_t imm = field(half, 12, 12, 5) | field(half, 6, 2, 0);
    switch (field(half, 11, 10, 0)) {
    case 0: return imm > 31 ? ILLEGAL : encode_i(OP_IMM, imm, rd, 5, rd);
    case 1: return imm > 31 ? ILLEGAL : encode_i(OP_IMM, imm | 0x400, rd, 5, rd);
    case 2: return encode_i(OP_IMM, sign_extend(imm, 6), rd, 7, rd);
    default: break;
    }
    if (half & 0x1000) return ILLEGAL; /* c.subw, c.addw: RV64 */
    uint32_t kind = field(half, 6, 5, 0);
    return encode_r(kind == 0 ? 0x20 : 0, rs2, rd, FUNCT3[kind], rd);
}

static uint32_t expand_quadrant1(uint32_t half) {
    uint32_t rd = field(half, 11, 7, 0);
    uint32_t imm = sign_extend(field(half, 12, 12, 5) | field(half, 6, 2, 0), 6);
    switch (half >> 13) {
    case 0: return encode_i(OP_IMM, imm, rd, 0, rd); /* c.addi, c.nop */
    case 2: return encode_i(OP_IMM, imm, ZERO, 0, rd);
    case 3:
        if (imm == 0) return ILLEGAL;
        if (rd != SP) return imm << 12 | rd << 7 | 0x37; /* c.lui */
        imm = field(half, 12, 12, 9) | field(half, 6, 6, 4) | field(half, 5, 5, 6) | field(half, 4, 3, 7) |
              field(half, 2, 2, 5);
        return encode_i(OP_IMM, sign_extend(imm, 10), SP, 0, SP); /* c.addi16sp */
    case 4: return expand_arithmetic(half);
    case 6:
    case 7: /* c.beqz, c.bnez */
        imm = field(half, 12, 12, 8) | field(half, 11, 10, 3) | field(half, 6, 5, 6) | field(half, 4, 3, 1) |
              field(half, 2, 2, 5);
        return encode_branch(sign_extend(imm, 9), field(half, 9, 7, 0) + 8, half >> 13 & 1);
    default: /* c.jal, c.j */
        imm = field(half, 12, 12, 11) | field(half, 11, 11, 4) | field(half, 10, 9, 8) | field(half, 8, 8, 10) |
              field(half, 7, 7, 6) | field(half, 6, 6, 7) | field(half, 5, 3, 1) | field(half, 2, 2, 5);
        return encode_jal(sign_extend(imm, 12), half >> 13 == 1 ? RA : ZERO);
    }
}

/* Quadrant 2: stack-relative loads and stores, and everything on two full registers. */
static uint32_t expand_quadrant2(uint32_t half) {
    uint32_t rd = field(half, 11, 7, 0);
    uint32_t rs2 = field(half, 6, 2, 0);
    uint32_t load_offset = field(half, 12, 12, 5) | field(half, 6, 4, 2) | field(half, 3, 2, 6);
    uint32_t store_offset = field(half, 12, 9, 2) | field(half, 8, 7, 6);
    bool high = half & 0x1000;
    switch (half >> 13) {
    case 0: return high ? ILLEGAL : encode_i(OP_IMM, rs2, rd, 1, rd); /* c.slli */
    case 2: return rd == 0 ? ILLEGAL : encode_i(LOAD, load_offset, SP, 2, rd);
    case 3: return encode_i(LOAD_FP, load_offset, SP, 2, rd);
    case 4:
        if (rs2 != 0) return encode_r(0, rs2, high ? rd : ZERO, 0, rd); /* c.add, c.mv */
        if (rd != 0) return encode_i(0x67, 0, rd, 0, high ? RA : ZERO); /* c.jalr, c.jr */
        return high ? 0x00100073 : ILLEGAL;                             /* c.ebreak */
    case 6: return encode_s(STORE, store_offset, rs2, SP);
    case 7: return encode_s(STORE_FP, store_offset, rs2, SP);
    default: return ILLEGAL;
    }
}

uint32_t p4c_expand_compressed(uint32_t half) {
    switch (half & 3) {
    case 0: return expand_quadrant0(half);
    case 1: return expand_quadrant1(half);
    default: return expand_quadrant2(half);
    }
}
