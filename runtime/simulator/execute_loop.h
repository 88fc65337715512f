/* execute_loop.h: the interpreter's loop. Not a header: execute_fast.c includes it to make its function.
 *
 * The including file defines EXECUTE, the function's name, and TIME_*, through which a timing model hears
 * of each instruction; they are empty in the build that has none. The plain instructions themselves, and
 * what their handlers are made of, stand in execute_handlers.h.
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
    TIME_ISSUE();
    if (UNLIKELY(!p4c_loop_set(sim, PIE_AT(ip), PC()))) goto fault;
    CHOOSE_TABLE();
    ip += 2;
    DISPATCH();

op_pie_compute: {
    const struct pie_instruction *i = PIE_AT(ip);
    if (UNLIKELY(sim->pie.forbidden & i->needs)) goto forbidden;
    TIME_ISSUE();
    i->compute(sim, i);
    ip += 2;
    DISPATCH();
}

op_pie_memory: {
    const struct pie_instruction *i = PIE_AT(ip);
    if (UNLIKELY(sim->pie.forbidden & i->needs)) goto forbidden;
    TIME_ISSUE();
    TIME_PIE(i);
    if (UNLIKELY(!i->access(sim, i))) goto fault;
    ip += 2;
    DISPATCH();
}

#include "execute_handlers.h"

wait:
    reason = P4C_SIM_WAIT;
    sim->pc = PC();
    goto stop;

trap_return:
    reason = P4C_SIM_TRAP_RETURN;
    sim->pc = PC();
    goto stop;

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
