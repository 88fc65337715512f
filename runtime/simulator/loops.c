/* loops.c: the two hardware loops, and the rules that Espressif states for them (esp-idf issue 19025).
 *
 * While a loop is active the execute loop asks p4c_loop_step before each instruction. An instruction at `end`
 * only notes where it falls through to: the loop goes on if the next instruction is that one, so a branch out
 * of the body leaves as written. Where both loops end on one instruction, loop 0 is the inner one.
 */
#include "pie_tables.h"
#include "state.h"

#define LEAST_BODY 32 /* bytes: 8 instructions of 32 bits or 16 of 16 bits */

static bool broken(struct p4c_sim *sim, enum p4c_sim_fault rule, uint32_t address) {
    return p4c_record_fault(sim, rule, address, 4);
}

static bool is_coprocessor(const struct p4c_sim *sim, uint32_t address) {
    uint32_t word = 0;
    struct pie_instruction i;
    if (!p4c_sim_read(sim, address, &word, 2)) return false;
    if ((word & 3) != 3) return (word & 3) != 1 && (word >> 13 & 3) == 3; /* c.flw, c.fsw and from sp */
    if (!p4c_sim_read(sim, address, &word, 4)) return false;
    uint32_t opcode = word & 0x7f;
    if (opcode == 0x07 || opcode == 0x27 || (opcode >= 0x43 && opcode <= 0x53)) return true;
    uint16_t op = p4c_pie_decode(sim, word, &i);
    return (op == OP_pie_compute || op == OP_pie_memory) && i.needs != 0;
}

/* Whether a body keeps the rules; a violation corrupts the count when an interrupt hits the loop's edge. */
static bool check_body(struct p4c_sim *sim, uint32_t loop) {
    uint32_t start = sim->loops.start[loop], end = sim->loops.end[loop];
    if (end & 3) return broken(sim, P4C_SIM_FAULT_LOOP_ALIGNMENT, end);
    if (end < start || end + 4 - start < LEAST_BODY) return broken(sim, P4C_SIM_FAULT_LOOP_SHORT, start);
    if (is_coprocessor(sim, end)) return broken(sim, P4C_SIM_FAULT_LOOP_LAST, end);
    sim->loops.checked[loop] = true;
    return true;
}

static bool set_up(struct p4c_sim *sim, uint32_t loop, uint32_t count, uint32_t start, uint32_t end) {
    struct loop_state *loops = &sim->loops;
    struct loop_state before = *loops;
    loops->start[loop] = start;
    loops->end[loop] = end;
    loops->count[loop] = count;
    loops->checked[loop] = false;
    loops->after = NOWHERE;
    if (!sim->pie.strict) return true;
    bool good = true;
    if (count == 0) good = broken(sim, P4C_SIM_FAULT_LOOP_COUNT, start - 4);
    if (good && start & 3) good = broken(sim, P4C_SIM_FAULT_LOOP_ALIGNMENT, start - 4);
    if (good) good = check_body(sim, loop);
    if (!good) *loops = before;
    return good;
}

bool p4c_loop_set(struct p4c_sim *sim, const struct pie_instruction *i, uint32_t pc) {
    struct loop_state *loops = &sim->loops;
    const uint32_t loop = i->select;
    const uint32_t target = pc + (uint32_t)i->step;
    uint32_t state = 0;
    p4c_csr_read(sim, CSR_LOOP_STATE, &state);
    if (sim->pie.strict && state == 0) return p4c_record_fault(sim, P4C_SIM_FAULT_LOOP_OFF, pc, 4);
    switch (i->family) {
    case PIE_F_LP_SETUP: return set_up(sim, loop, sim->x[i->rs1], pc + 4, target);
    case PIE_F_LP_SETUPI: return set_up(sim, loop, i->count, pc + 4, target);
    case PIE_F_LP_STARTI: loops->start[loop] = target; break;
    case PIE_F_LP_ENDI: loops->end[loop] = target; break;
    case PIE_F_LP_COUNT: loops->count[loop] = sim->x[i->rs1]; break;
    default: loops->count[loop] = i->count; break;
    }
    loops->checked[loop] = false;
    loops->after = NOWHERE;
    return true;
}

/* A jump has left the body: an interrupt there would save a loop that looks active. */
static bool left_body(const struct p4c_sim *sim, uint32_t loop, uint32_t pc) {
    return sim->loops.count[loop] != 0 && sim->loops.checked[loop] &&
           (pc < sim->loops.start[loop] || pc > sim->loops.end[loop]);
}

bool p4c_loop_step(struct p4c_sim *sim, uint32_t pc, uint32_t length, uint32_t *target) {
    struct loop_state *loops = &sim->loops;
    *target = NOWHERE;
    const bool fell_through = pc == loops->after;
    const uint32_t ended = fell_through ? loops->ending : 0;
    loops->after = NOWHERE;
    loops->ending = 0;
    for (uint32_t loop = 0; loop < 2; loop++) {
        if (!(ended >> loop & 1) || loops->count[loop] == 0) continue;
        if (--loops->count[loop] != 0) {
            *target = loops->start[loop];
            return true;
        }
    }
    for (uint32_t loop = 0; loop < 2; loop++) {
        if (left_body(sim, loop, pc)) return p4c_record_fault(sim, P4C_SIM_FAULT_LOOP_LEFT, pc, length);
        if (loops->count[loop] == 0 || pc != loops->end[loop]) continue;
        loops->after = pc + length;
        loops->ending |= 1u << loop;
        if (sim->pie.strict && !loops->checked[loop] && !check_body(sim, loop)) return false;
    }
    return true;
}

static uint32_t *find_register(struct loop_state *loops, uint32_t number) {
    const uint32_t index = number - CSR_LOOP_FIRST;
    if (index >= 6) return NULL;
    uint32_t *const registers[] = {loops->start, loops->end, loops->count};
    return &registers[index % 3][index / 3];
}

bool p4c_loop_read(const struct loop_state *loops, uint32_t number, uint32_t *value) {
    struct loop_state copy = *loops;
    const uint32_t *found = find_register(&copy, number);
    if (found != NULL) *value = *found;
    return found != NULL;
}

bool p4c_loop_write(struct loop_state *loops, uint32_t number, uint32_t value) {
    uint32_t *found = find_register(loops, number);
    if (found == NULL) return false;
    *found = value;
    loops->checked[0] = loops->checked[1] = false;
    loops->after = NOWHERE;
    return true;
}

void p4c_loop_rest(struct loop_state *loops) {
    loops->count[0] = loops->count[1] = 0;
    loops->after = NOWHERE;
}
