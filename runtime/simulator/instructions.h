/* instructions.h: the one table of instructions. Decoder, op numbers and dispatch derive from it.
 *
 * A word is the instruction whose (word & mask) == match; the format says which fields are operands.
 * Bit patterns: The RISC-V Instruction Set Manual, volume I, chapter "RV32/64G Instruction Set Listings".
 * 16-bit instructions have no rows: compressed.c expands them to these.
 *
 * Formats
 *   NONE    no operands
 *   R       rd, rs1, rs2                           I    rd, rs1, imm[11:0]
 *   SHIFT   rd, rs1, shamt                         S    rs1, rs2, imm (stores, from x or f)
 *   B       rs1, rs2, absolute target              J    rd, absolute target
 *   U       rd, imm[31:12]                         PC   rd, pc + imm[31:12] (auipc)
 *   CSR     rd, rs1 (register or 5-bit value), CSR number
 *   FI      f load: fd, rs1, imm                   FR   f arithmetic: fd, rs1, rs2, rs3, rounding mode
 *   FX      as FR with an x register as the result
 */
#ifndef P4C_SIM_INSTRUCTIONS_H
#define P4C_SIM_INSTRUCTIONS_H

#define FOR_EACH_INSTRUCTION(X)                      \
    /* RV32I */                                      \
    X(lui, 0x00000037, 0x0000007f, U)                \
    X(auipc, 0x00000017, 0x0000007f, PC)             \
    X(jal, 0x0000006f, 0x0000007f, J)                \
    X(jalr, 0x00000067, 0x0000707f, I)               \
    X(beq, 0x00000063, 0x0000707f, B)                \
    X(bne, 0x00001063, 0x0000707f, B)                \
    X(blt, 0x00004063, 0x0000707f, B)                \
    X(bge, 0x00005063, 0x0000707f, B)                \
    X(bltu, 0x00006063, 0x0000707f, B)               \
    X(bgeu, 0x00007063, 0x0000707f, B)               \
    X(lb, 0x00000003, 0x0000707f, I)                 \
    X(lh, 0x00001003, 0x0000707f, I)                 \
    X(lw, 0x00002003, 0x0000707f, I)                 \
    X(lbu, 0x00004003, 0x0000707f, I)                \
    X(lhu, 0x00005003, 0x0000707f, I)                \
    X(sb, 0x00000023, 0x0000707f, S)                 \
    X(sh, 0x00001023, 0x0000707f, S)                 \
    X(sw, 0x00002023, 0x0000707f, S)                 \
    X(addi, 0x00000013, 0x0000707f, I)               \
    X(slti, 0x00002013, 0x0000707f, I)               \
    X(sltiu, 0x00003013, 0x0000707f, I)              \
    X(xori, 0x00004013, 0x0000707f, I)               \
    X(ori, 0x00006013, 0x0000707f, I)                \
    X(andi, 0x00007013, 0x0000707f, I)               \
    X(slli, 0x00001013, 0xfe00707f, SHIFT)           \
    X(srli, 0x00005013, 0xfe00707f, SHIFT)           \
    X(srai, 0x40005013, 0xfe00707f, SHIFT)           \
    X(add, 0x00000033, 0xfe00707f, R)                \
    X(sub, 0x40000033, 0xfe00707f, R)                \
    X(sll, 0x00001033, 0xfe00707f, R)                \
    X(slt, 0x00002033, 0xfe00707f, R)                \
    X(sltu, 0x00003033, 0xfe00707f, R)               \
    X(xor, 0x00004033, 0xfe00707f, R)                \
    X(srl, 0x00005033, 0xfe00707f, R)                \
    X(sra, 0x40005033, 0xfe00707f, R)                \
    X(or, 0x00006033, 0xfe00707f, R)                 \
    X(and, 0x00007033, 0xfe00707f, R)                \
    X(fence, 0x0000000f, 0x0000707f, NONE)           \
    X(ecall, 0x00000073, 0xffffffff, NONE)           \
    X(ebreak, 0x00100073, 0xffffffff, NONE)          \
    X(wfi, 0x10500073, 0xffffffff, NONE)             \
    X(mret, 0x30200073, 0xffffffff, NONE)            \
    /* Zifencei, Zicsr */                            \
    X(fence_i, 0x0000100f, 0x0000707f, NONE)         \
    X(csrrw, 0x00001073, 0x0000707f, CSR)            \
    X(csrrs, 0x00002073, 0x0000707f, CSR)            \
    X(csrrc, 0x00003073, 0x0000707f, CSR)            \
    X(csrrwi, 0x00005073, 0x0000707f, CSR)           \
    X(csrrsi, 0x00006073, 0x0000707f, CSR)           \
    X(csrrci, 0x00007073, 0x0000707f, CSR)           \
    /* M */                                          \
    X(mul, 0x02000033, 0xfe00707f, R)                \
    X(mulh, 0x02001033, 0xfe00707f, R)               \
    X(mulhsu, 0x02002033, 0xfe00707f, R)             \
    X(mulhu, 0x02003033, 0xfe00707f, R)              \
    X(div, 0x02004033, 0xfe00707f, R)                \
    X(divu, 0x02005033, 0xfe00707f, R)               \
    X(rem, 0x02006033, 0xfe00707f, R)                \
    X(remu, 0x02007033, 0xfe00707f, R)               \
    /* A: the ordering bits 26 and 25 mean nothing on one core */ \
    X(lr_w, 0x1000202f, 0xf9f0707f, R)               \
    X(sc_w, 0x1800202f, 0xf800707f, R)               \
    X(amoswap_w, 0x0800202f, 0xf800707f, R)          \
    X(amoadd_w, 0x0000202f, 0xf800707f, R)           \
    X(amoxor_w, 0x2000202f, 0xf800707f, R)           \
    X(amoand_w, 0x6000202f, 0xf800707f, R)           \
    X(amoor_w, 0x4000202f, 0xf800707f, R)            \
    X(amomin_w, 0x8000202f, 0xf800707f, R)           \
    X(amomax_w, 0xa000202f, 0xf800707f, R)           \
    X(amominu_w, 0xc000202f, 0xf800707f, R)          \
    X(amomaxu_w, 0xe000202f, 0xf800707f, R)          \
    /* F */                                          \
    X(flw, 0x00002007, 0x0000707f, FI)               \
    X(fsw, 0x00002027, 0x0000707f, S)                \
    X(fmadd_s, 0x00000043, 0x0600007f, FR)           \
    X(fmsub_s, 0x00000047, 0x0600007f, FR)           \
    X(fnmsub_s, 0x0000004b, 0x0600007f, FR)          \
    X(fnmadd_s, 0x0000004f, 0x0600007f, FR)          \
    X(fadd_s, 0x00000053, 0xfe00007f, FR)            \
    X(fsub_s, 0x08000053, 0xfe00007f, FR)            \
    X(fmul_s, 0x10000053, 0xfe00007f, FR)            \
    X(fdiv_s, 0x18000053, 0xfe00007f, FR)            \
    X(fsqrt_s, 0x58000053, 0xfff0007f, FR)           \
    X(fsgnj_s, 0x20000053, 0xfe00707f, FR)           \
    X(fsgnjn_s, 0x20001053, 0xfe00707f, FR)          \
    X(fsgnjx_s, 0x20002053, 0xfe00707f, FR)          \
    X(fmin_s, 0x28000053, 0xfe00707f, FR)            \
    X(fmax_s, 0x28001053, 0xfe00707f, FR)            \
    X(fcvt_w_s, 0xc0000053, 0xfff0007f, FX)          \
    X(fcvt_wu_s, 0xc0100053, 0xfff0007f, FX)         \
    X(fmv_x_w, 0xe0000053, 0xfff0707f, FX)           \
    X(fclass_s, 0xe0001053, 0xfff0707f, FX)          \
    X(feq_s, 0xa0002053, 0xfe00707f, FX)             \
    X(flt_s, 0xa0001053, 0xfe00707f, FX)             \
    X(fle_s, 0xa0000053, 0xfe00707f, FX)             \
    X(fcvt_s_w, 0xd0000053, 0xfff0007f, FR)          \
    X(fcvt_s_wu, 0xd0100053, 0xfff0007f, FR)         \
    X(fmv_w_x, 0xf0000053, 0xfff0707f, FR)

#define OP_NUMBER(name, match, mask, format) OP_##name,
enum op {
    OP_decode, /* slot not decoded yet; zero, so that a fresh page consists of these */
    OP_page_end,
    OP_illegal,
    OP_left_out,    /* of the SIMD unit, and not simulated */
    OP_pie_compute, /* registers only */
    OP_pie_memory,
    OP_loop,        /* esp.lp.*: sets up a hardware loop */
    FOR_EACH_INSTRUCTION(OP_NUMBER) /* one per row */
    OP_SHORT, /* added to the number of an instruction in its 2-byte form */
};
#undef OP_NUMBER

#endif
