/* execute_handlers.h: the plain instructions, one handler each. Included in the body of execute_loop.h's function. */

/* Every handler exists twice, for the 4-byte instruction and for its 2-byte form (`_short`), so that the
 * way to the next slot is a constant: with a length from memory each instruction would wait for that load.
 * The body may use `length`; it falls through to the next instruction unless it jumps. */
#define HANDLER(name, ...)    \
    op_##name: {              \
        const int length = 4; \
        TIME_ISSUE();         \
        __VA_ARGS__           \
        ip += length / 2;     \
        DISPATCH();           \
    }                         \
    op_##name##_short: {      \
        const int length = 2; \
        TIME_ISSUE();         \
        __VA_ARGS__           \
        ip += length / 2;     \
        DISPATCH();           \
    }

#define RD x[ip->rd]
#define RS1 x[ip->rs1]
#define RS2 x[ip->rs2]
#define FRD sim->f[ip->rd]
#define FRS1 sim->f[ip->rs1]
#define FRS2 sim->f[ip->rs2]
#define FRS3 sim->f[ip->rs3]
#define IMM ((uint32_t)ip->imm)

/* `result` may use `a` and `b`, the operands. */
#define REGISTER(name, result) HANDLER(name, uint32_t a = RS1; uint32_t b = RS2; RD = (result);)
#define IMMEDIATE(name, result) HANDLER(name, uint32_t a = RS1; uint32_t b = IMM; RD = (result);)
#define BRANCH(name, condition)                                         \
    HANDLER(name, uint32_t a = RS1; uint32_t b = RS2;                   \
            const bool taken = (condition);                             \
            TIME_BRANCH(taken);                                         \
            if (taken) JUMP(IMM);)

/* `type` extends the loaded value by its sign, or not. */
#define LOAD(name, type, destination)                                          \
    HANDLER(name, TIME_LOAD(RS1 + IMM, sizeof(type));                          \
            uint64_t loaded = load(sim, pages, RS1 + IMM, sizeof(type));       \
            if (UNLIKELY(loaded == LOAD_FAULT)) goto fault;                    \
            destination = (uint32_t)(type)loaded;)

#define STORE(name, size, value) \
    HANDLER(name, TIME_STORE(RS1 + IMM, size); \
            if (UNLIKELY(!store(sim, pages, RS1 + IMM, size, value))) goto fault;)

/* Read-modify-write of the word at rs1; `result` may use `a`, the word before, and `b`, rs2. */
#define ATOMIC(name, result)                                                    \
    HANDLER(name, uint32_t address = RS1;                                       \
            uint32_t b = RS2;                                                   \
            if (UNLIKELY(address & 3)) goto misaligned;                         \
            TIME_STORE(address, 4);                                             \
            uint64_t loaded = load(sim, pages, address, 4);                     \
            if (UNLIKELY(loaded == LOAD_FAULT)) goto fault;                     \
            uint32_t a = (uint32_t)loaded;                                      \
            if (UNLIKELY(!store(sim, pages, address, 4, (result)))) goto fault; \
            RD = a;)

/* `result` may use `rounding`, the mode from the instruction or, where that says dynamic, from frm. */
#define ROUNDED(name, destination, result)                             \
    HANDLER(name, uint32_t rounding = ip->rm == 7 ? sim->frm : ip->rm; \
            if (rounding > ROUND_NEAREST_AWAY) goto illegal;           \
            destination = (result);)

/* csrrs and csrrc leave a register alone, which may be read-only, where the field rs1 is 0.
 * `value` may use `old`. A read sees the counters as of before this instruction, a write as of after it. */
#define CSR_ACCESS(name, writes, value)                                      \
    HANDLER(name, uint32_t old = 0;                                          \
            sim->instructions = end - remaining - 1;                         \
            if (!p4c_csr_read(sim, IMM, &old)) goto illegal;                 \
            sim->instructions++;                                             \
            if ((writes) && !p4c_csr_write(sim, IMM, (value))) goto illegal; \
            CHOOSE_TABLE();                                                  \
            RD = old;)
#define SIGNED(value) ((int32_t)(value))

    HANDLER(lui, RD = IMM;)
    HANDLER(auipc, RD = IMM;)
    HANDLER(jal, RD = PC() + length; TIME_JUMP_TO(IMM); JUMP(IMM);)
    /* The target first: rs1 and rd may be the same register. */
    HANDLER(jalr, target = (RS1 + IMM) & ~1u; RD = PC() + length; TIME_JUMP_TO(target); goto jump;)

    BRANCH(beq, a == b)
    BRANCH(bne, a != b)
    BRANCH(blt, SIGNED(a) < SIGNED(b))
    BRANCH(bge, SIGNED(a) >= SIGNED(b))
    BRANCH(bltu, a < b)
    BRANCH(bgeu, a >= b)

    LOAD(lb, int8_t, RD)
    LOAD(lh, int16_t, RD)
    LOAD(lw, uint32_t, RD)
    LOAD(lbu, uint8_t, RD)
    LOAD(lhu, uint16_t, RD)
    LOAD(flw, uint32_t, FRD)
    STORE(sb, 1, RS2)
    STORE(sh, 2, RS2)
    STORE(sw, 4, RS2)
    STORE(fsw, 4, FRS2)

    IMMEDIATE(addi, a + b)
    IMMEDIATE(slti, SIGNED(a) < SIGNED(b))
    IMMEDIATE(sltiu, a < b)
    IMMEDIATE(xori, a ^ b)
    IMMEDIATE(ori, a | b)
    IMMEDIATE(andi, a & b)
    IMMEDIATE(slli, a << b)
    IMMEDIATE(srli, a >> b)
    IMMEDIATE(srai, (uint32_t)(SIGNED(a) >> b))

    REGISTER(add, a + b)
    REGISTER(sub, a - b)
    REGISTER(sll, a << (b & 31))
    REGISTER(slt, SIGNED(a) < SIGNED(b))
    REGISTER(sltu, a < b)
    REGISTER(xor, a ^ b)
    REGISTER(srl, a >> (b & 31))
    REGISTER(sra, (uint32_t)(SIGNED(a) >> (b & 31)))
    REGISTER(or, a | b)
    REGISTER(and, a & b)

    REGISTER(mul, a * b)
    REGISTER(mulh, (uint32_t)(((int64_t)SIGNED(a) * SIGNED(b)) >> 32))
    REGISTER(mulhsu, (uint32_t)(((int64_t)SIGNED(a) * (int64_t)(uint64_t)b) >> 32))
    REGISTER(mulhu, (uint32_t)(((uint64_t)a * b) >> 32))
    REGISTER(div, divide(a, b))
    REGISTER(divu, b == 0 ? UINT32_MAX : a / b)
    REGISTER(rem, remainder_of(a, b))
    REGISTER(remu, b == 0 ? a : a % b)

    /* One core, in order, that notices code written by stores at once. */
    HANDLER(fence, )
    HANDLER(fence_i, )
    /* wfi may always do nothing, and does so where no interrupt can ever come. */
    HANDLER(wfi, if (sim->machine != NULL) { ip += length / 2; goto wait; })
    HANDLER(mret, if (sim->machine == NULL) goto illegal; goto trap_return;)

    CSR_ACCESS(csrrw, true, RS1)
    CSR_ACCESS(csrrs, ip->rs1 != 0, old | RS1)
    CSR_ACCESS(csrrc, ip->rs1 != 0, old & ~RS1)
    CSR_ACCESS(csrrwi, true, ip->rs1)
    CSR_ACCESS(csrrsi, ip->rs1 != 0, old | ip->rs1)
    CSR_ACCESS(csrrci, ip->rs1 != 0, old & ~(uint32_t)ip->rs1)

    HANDLER(lr_w, uint32_t address = RS1;
            if (UNLIKELY(address & 3)) goto misaligned;
            TIME_LOAD(address, 4);
            uint64_t loaded = load(sim, pages, address, 4);
            if (UNLIKELY(loaded == LOAD_FAULT)) goto fault;
            sim->reservation = address;
            RD = (uint32_t)loaded;)
    HANDLER(sc_w, uint32_t address = RS1;
            if (UNLIKELY(address & 3)) goto misaligned;
            bool reserved = sim->reservation == address;
            TIME_STORE(address, 4);
            if (reserved && UNLIKELY(!store(sim, pages, address, 4, RS2))) goto fault;
            sim->reservation = 1;
            RD = !reserved;)

    ATOMIC(amoswap_w, b)
    ATOMIC(amoadd_w, a + b)
    ATOMIC(amoxor_w, a ^ b)
    ATOMIC(amoand_w, a & b)
    ATOMIC(amoor_w, a | b)
    ATOMIC(amomin_w, SIGNED(a) < SIGNED(b) ? a : b)
    ATOMIC(amomax_w, SIGNED(a) > SIGNED(b) ? a : b)
    ATOMIC(amominu_w, a < b ? a : b)
    ATOMIC(amomaxu_w, a > b ? a : b)

    ROUNDED(fadd_s, FRD, p4c_f32_add(FRS1, FRS2, rounding, &sim->fflags))
    ROUNDED(fsub_s, FRD, p4c_f32_sub(FRS1, FRS2, rounding, &sim->fflags))
    ROUNDED(fmul_s, FRD, p4c_f32_mul(FRS1, FRS2, rounding, &sim->fflags))
    ROUNDED(fdiv_s, FRD, p4c_f32_div(FRS1, FRS2, rounding, &sim->fflags))
    ROUNDED(fsqrt_s, FRD, p4c_f32_sqrt(FRS1, rounding, &sim->fflags))
    /* The names are historical: fnmadd is -(a * b) - c, fnmsub is -(a * b) + c. */
    ROUNDED(fmadd_s, FRD, p4c_f32_fma(FRS1, FRS2, FRS3, rounding, &sim->fflags))
    ROUNDED(fmsub_s, FRD, p4c_f32_fma(FRS1, FRS2, FRS3 ^ FLOAT_SIGN, rounding, &sim->fflags))
    ROUNDED(fnmsub_s, FRD, p4c_f32_fma(FRS1 ^ FLOAT_SIGN, FRS2, FRS3, rounding, &sim->fflags))
    ROUNDED(fnmadd_s, FRD, p4c_f32_fma(FRS1 ^ FLOAT_SIGN, FRS2, FRS3 ^ FLOAT_SIGN, rounding, &sim->fflags))
    ROUNDED(fcvt_w_s, RD, p4c_f32_to_i32(FRS1, rounding, &sim->fflags))
    ROUNDED(fcvt_wu_s, RD, p4c_f32_to_u32(FRS1, rounding, &sim->fflags))
    ROUNDED(fcvt_s_w, FRD, p4c_f32_from_i32(RS1, rounding, &sim->fflags))
    ROUNDED(fcvt_s_wu, FRD, p4c_f32_from_u32(RS1, rounding, &sim->fflags))

    HANDLER(fsgnj_s, FRD = (FRS1 & ~FLOAT_SIGN) | (FRS2 & FLOAT_SIGN);)
    HANDLER(fsgnjn_s, FRD = (FRS1 & ~FLOAT_SIGN) | (~FRS2 & FLOAT_SIGN);)
    HANDLER(fsgnjx_s, FRD = FRS1 ^ (FRS2 & FLOAT_SIGN);)
    HANDLER(fmin_s, FRD = p4c_f32_min(FRS1, FRS2, &sim->fflags);)
    HANDLER(fmax_s, FRD = p4c_f32_max(FRS1, FRS2, &sim->fflags);)
    HANDLER(feq_s, RD = p4c_f32_equal(FRS1, FRS2, &sim->fflags);)
    HANDLER(flt_s, RD = p4c_f32_less(FRS1, FRS2, &sim->fflags);)
    HANDLER(fle_s, RD = p4c_f32_less_equal(FRS1, FRS2, &sim->fflags);)
    HANDLER(fclass_s, RD = p4c_f32_classify(FRS1);)
    HANDLER(fmv_x_w, RD = FRS1;)
    HANDLER(fmv_w_x, FRD = RS1;)

    HANDLER(ecall, goto host_call;)
    HANDLER(ebreak, goto breakpoint;)
