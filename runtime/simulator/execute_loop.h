/* execute_loop.h: the interpreter's loop. Not a header: execute_fast.c includes it to make its function.
 *
 * The including file defines EXECUTE, the function's name. That leaves room for a second build of this
 * same text with a timing model in DISPATCH and the memory functions, at no cost to the functional one.
 *
 * Each instruction is a label; the table `handlers` leads from op number to label, and every handler ends
 * by jumping through it to the next one (computed goto: one indirect branch per handler, which the
 * host predicts well). Locals that live across instructions:
 *
 *   ip         slot of the instruction being executed
 *   code       its code page; pc is computed from both when somebody asks
 *   table      where DISPATCH looks: `handlers`, or while a hardware loop is active `watched`, which leads
 *              every instruction through op_in_loop first
 *   remaining  instructions that may still be begun; the count executed is derived from it
 */
#include "float32.h"
#include "state.h"

/* Begin the instruction at ip. */
#define DISPATCH()                                \
    do {                                          \
        if (UNLIKELY(remaining == 0)) goto limit; \
        remaining--;                              \
        goto *table[ip->op];                      \
    } while (0)

/* Every handler exists twice, for the 4-byte instruction and for its 2-byte form (`_short`), so that the
 * way to the next slot is a constant: with a length from memory each instruction would wait for that load.
 * The body may use `length`; it falls through to the next instruction unless it jumps. */
#define HANDLER(name, ...)    \
    op_##name: {              \
        const int length = 4; \
        __VA_ARGS__           \
        ip += length / 2;     \
        DISPATCH();           \
    }                         \
    op_##name##_short: {      \
        const int length = 2; \
        __VA_ARGS__           \
        ip += length / 2;     \
        DISPATCH();           \
    }

/* Most jumps stay on the page, where the slot is found without a look-up. */
#define JUMP(address)                                              \
    do {                                                           \
        target = (address);                                        \
        if (UNLIKELY((target ^ code->pc) >= PAGE_SIZE)) goto jump; \
        ip = &code->slots[(target & PAGE_MASK) / 2];               \
        DISPATCH();                                                \
    } while (0)

#define CHOOSE_TABLE() (table = loops_active(&sim->loops) ? watched : handlers)
#define PC() (code->pc + (uint32_t)(ip - code->slots) * 2)
#define PIE_AT(slot) (&code->pie[(slot) - code->slots])
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
#define BRANCH(name, condition) HANDLER(name, uint32_t a = RS1; uint32_t b = RS2; if (condition) JUMP(IMM);)

/* `type` extends the loaded value by its sign, or not. */
#define LOAD(name, type, destination)                                          \
    HANDLER(name, uint64_t loaded = load(sim, pages, RS1 + IMM, sizeof(type)); \
            if (UNLIKELY(loaded == LOAD_FAULT)) goto fault;                    \
            destination = (uint32_t)(type)loaded;)

#define STORE(name, size, value) \
    HANDLER(name, if (UNLIKELY(!store(sim, pages, RS1 + IMM, size, value))) goto fault;)

/* Read-modify-write of the word at rs1; `result` may use `a`, the word before, and `b`, rs2. */
#define ATOMIC(name, result)                                                    \
    HANDLER(name, uint32_t address = RS1;                                       \
            uint32_t b = RS2;                                                   \
            if (UNLIKELY(address & 3)) goto misaligned;                         \
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

/* With `size` constant these become a few instructions; the slow path takes whatever is not plain memory
 * within one page. */
static inline uint64_t load(struct p4c_sim *sim, const struct page *pages, uint32_t address, uint32_t size) {
    const uint8_t *host = pages[address >> PAGE_BITS].read;
    uint32_t offset = address & PAGE_MASK;
    if (UNLIKELY(host == NULL || offset > PAGE_SIZE - size)) return p4c_load_slow(sim, address, size);
    uint32_t value = 0;
    __builtin_memcpy(&value, host + offset, size);
    return value;
}

static inline bool store(struct p4c_sim *sim, const struct page *pages, uint32_t address, uint32_t size,
                         uint32_t value) {
    uint8_t *host = pages[address >> PAGE_BITS].write;
    uint32_t offset = address & PAGE_MASK;
    if (UNLIKELY(host == NULL || offset > PAGE_SIZE - size)) return p4c_store_slow(sim, address, size, value);
    __builtin_memcpy(host + offset, &value, size);
    return true;
}

/* Division by zero and the one overflow have results of their own and never trap. */
static inline uint32_t divide(uint32_t a, uint32_t b) {
    if (b == 0) return UINT32_MAX;
    if (a == 0x80000000u && b == UINT32_MAX) return a;
    return (uint32_t)((int32_t)a / (int32_t)b);
}

static inline uint32_t remainder_of(uint32_t a, uint32_t b) {
    if (b == 0) return a;
    if (a == 0x80000000u && b == UINT32_MAX) return 0;
    return (uint32_t)((int32_t)a % (int32_t)b);
}

#define SIGNED(value) ((int32_t)(value))
#define LABELS(name, match, mask, format) \
    [OP_##name] = &&op_##name, [OP_SHORT + OP_##name] = &&op_##name##_short,
#define WATCHED(name, match, mask, format) \
    [OP_##name] = &&op_in_loop, [OP_SHORT + OP_##name] = &&op_in_loop,

void EXECUTE(struct p4c_sim *sim, uint64_t max_instructions) {
    static const void *const handlers[] = {
        [OP_decode] = &&op_decode,
        [OP_page_end] = &&op_page_end,
        [OP_illegal] = &&op_illegal,
        [OP_left_out] = &&op_left_out,
        [OP_pie_compute] = &&op_pie_compute,
        [OP_pie_memory] = &&op_pie_memory,
        [OP_loop] = &&op_loop,
        FOR_EACH_INSTRUCTION(LABELS) /* one per row */
    };
    static const void *const watched[] = {
        [OP_decode] = &&op_decode,
        [OP_page_end] = &&op_page_end,
        [OP_illegal] = &&op_in_loop,
        [OP_left_out] = &&op_in_loop,
        [OP_pie_compute] = &&op_in_loop,
        [OP_pie_memory] = &&op_in_loop,
        [OP_loop] = &&op_in_loop,
        FOR_EACH_INSTRUCTION(WATCHED) /* one per row */
    };
    const void *const *table = handlers;
    struct page *const pages = sim->pages;
    uint32_t *const x = sim->x;
    uint64_t remaining = max_instructions;
    const uint64_t end = sim->instructions + max_instructions;
    struct instruction *ip = NULL;
    struct code_page *code = NULL;
    uint32_t target = sim->pc;
    uint32_t reason = P4C_SIM_FAULT;

    sim->stop = (struct p4c_sim_stop){0};
    CHOOSE_TABLE();

jump:
    code = pages[target >> PAGE_BITS].code;
    if (UNLIKELY(code == NULL)) {
        code = p4c_code_page(sim, target);
        if (code == NULL) goto no_code;
    }
    ip = &code->slots[(target & PAGE_MASK) / 2];
    DISPATCH();

op_page_end:
    remaining++;
    JUMP(PC());

op_decode:
    remaining++;
    if (!p4c_decode(sim, PC(), ip)) goto fetch_fault;
    DISPATCH();

op_in_loop:
    if (UNLIKELY(!p4c_loop_step(sim, PC(), ip->length, &target))) goto fault;
    CHOOSE_TABLE();
    if (target == NOWHERE) goto *handlers[ip->op];
    remaining++;
    goto jump;

op_loop:
    if (UNLIKELY(!p4c_loop_set(sim, PIE_AT(ip), PC()))) goto fault;
    CHOOSE_TABLE();
    ip += 2;
    DISPATCH();

op_pie_compute: {
    const struct pie_instruction *i = PIE_AT(ip);
    if (UNLIKELY(sim->pie.forbidden & i->needs)) goto forbidden;
    i->compute(sim, i);
    ip += 2;
    DISPATCH();
}

op_pie_memory: {
    const struct pie_instruction *i = PIE_AT(ip);
    if (UNLIKELY(sim->pie.forbidden & i->needs)) goto forbidden;
    if (UNLIKELY(!i->access(sim, i))) goto fault;
    ip += 2;
    DISPATCH();
}

    HANDLER(lui, RD = IMM;)
    HANDLER(auipc, RD = IMM;)
    HANDLER(jal, RD = PC() + length; JUMP(IMM);)
    /* The target first: rs1 and rd may be the same register. */
    HANDLER(jalr, target = (RS1 + IMM) & ~1u; RD = PC() + length; goto jump;)

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

    /* One core, in order, that notices code written by stores at once; wfi may always do nothing. */
    HANDLER(fence, )
    HANDLER(fence_i, )
    HANDLER(wfi, )

    CSR_ACCESS(csrrw, true, RS1)
    CSR_ACCESS(csrrs, ip->rs1 != 0, old | RS1)
    CSR_ACCESS(csrrc, ip->rs1 != 0, old & ~RS1)
    CSR_ACCESS(csrrwi, true, ip->rs1)
    CSR_ACCESS(csrrsi, ip->rs1 != 0, old | ip->rs1)
    CSR_ACCESS(csrrci, ip->rs1 != 0, old & ~(uint32_t)ip->rs1)

    HANDLER(lr_w, uint32_t address = RS1;
            if (UNLIKELY(address & 3)) goto misaligned;
            uint64_t loaded = load(sim, pages, address, 4);
            if (UNLIKELY(loaded == LOAD_FAULT)) goto fault;
            sim->reservation = address;
            RD = (uint32_t)loaded;)
    HANDLER(sc_w, uint32_t address = RS1;
            if (UNLIKELY(address & 3)) goto misaligned;
            bool reserved = sim->reservation == address;
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

host_call:
    reason = P4C_SIM_HOST_CALL;
    goto not_executed;

breakpoint:
    p4c_record_fault(sim, P4C_SIM_FAULT_BREAKPOINT, PC(), ip->length);
    goto fault;

op_left_out:
    p4c_record_fault(sim, P4C_SIM_FAULT_LEFT_OUT, PC(), ip->length);
    goto fault;

forbidden:
    p4c_pie_forbidden(sim, PIE_AT(ip), PC());
    goto fault;

op_illegal:
illegal:
    p4c_record_fault(sim, P4C_SIM_FAULT_ILLEGAL, PC(), ip->length);
    goto fault;

misaligned:
    p4c_record_fault(sim, P4C_SIM_FAULT_MISALIGNED, RS1, 4);
fault:
    sim->stop.word = ip->word;
not_executed:
    remaining++;
fetch_fault:
    sim->pc = PC();
    goto stop;

limit:
    reason = P4C_SIM_LIMIT;
    sim->pc = PC();
    goto stop;

no_code:
    sim->pc = target;
    reason = target == P4C_SIM_RETURN_ADDRESS ? P4C_SIM_RETURN : P4C_SIM_FAULT;
    if (reason == P4C_SIM_FAULT) p4c_record_fault(sim, P4C_SIM_FAULT_FETCH, target, 2);

stop:
    sim->instructions = end - remaining;
    sim->stop.reason = reason;
    sim->stop.pc = sim->pc;
    sim->stop.instructions = max_instructions - remaining;
}
