/* machine.c: traps and interrupts of a core with devices. */
#include "machine.h"

#include <stdlib.h>

/* Interrupts are looked for this often, in instructions: 0.2 ms of the chip. */
#define SLICE 65536u

/* Exception codes of the privileged manual; those from 24 to 31 are free for custom use. */
enum { CAUSE_FETCH = 1, CAUSE_ILLEGAL = 2, CAUSE_BREAKPOINT = 3, CAUSE_LOAD_MISALIGNED = 4, CAUSE_LOAD = 5,
       CAUSE_STORE_MISALIGNED = 6, CAUSE_STORE = 7, CAUSE_ECALL = 11, CAUSE_STRICT = 24 };
#define INTERRUPT 0x80000000u

enum { MSTATUS = 0x300, MIE = 0x304, MTVEC = 0x305, MEPC = 0x341, MCAUSE = 0x342, MTVAL = 0x343 };
enum { STATUS_MIE = 1 << 3, STATUS_MPIE = 1 << 7 };

static uint32_t read_csr(const struct p4c_sim *sim, uint32_t number) {
    uint32_t value = 0;
    p4c_csr_read(sim, number, &value);
    return value;
}

static uint32_t cause_of(const struct p4c_sim_stop *stop) {
    if (stop->reason == P4C_SIM_HOST_CALL) return CAUSE_ECALL;
    /* Opcodes of integer and floating-point loads. */
    bool load = (stop->word & 0x7b) == 0x03;
    switch (stop->fault) {
    case P4C_SIM_FAULT_FETCH: return CAUSE_FETCH;
    case P4C_SIM_FAULT_LOAD: return CAUSE_LOAD;
    case P4C_SIM_FAULT_STORE: return CAUSE_STORE;
    case P4C_SIM_FAULT_MISALIGNED: return load ? CAUSE_LOAD_MISALIGNED : CAUSE_STORE_MISALIGNED;
    case P4C_SIM_FAULT_BREAKPOINT: return CAUSE_BREAKPOINT;
    case P4C_SIM_FAULT_ILLEGAL:
    case P4C_SIM_FAULT_LEFT_OUT:
    case P4C_SIM_FAULT_PIE_OFF:
    case P4C_SIM_FAULT_LOOP_OFF: return CAUSE_ILLEGAL;
    /* The chip would go on, perhaps with a wrong result. */
    default: return CAUSE_STRICT + stop->fault - P4C_SIM_FAULT_QACC_READ_TWICE;
    }
}

/* Go to the handler. The hardware loops rest meanwhile: its code is in no body of theirs. */
static void take_trap(struct p4c_sim *sim, uint32_t cause, uint32_t value) {
    uint32_t status = read_csr(sim, MSTATUS);
    p4c_csr_write(sim, MEPC, sim->pc);
    p4c_csr_write(sim, MCAUSE, cause);
    p4c_csr_write(sim, MTVAL, value);
    p4c_csr_write(sim, MSTATUS, status & STATUS_MIE ? STATUS_MPIE : 0);
    sim->machine->interrupted = sim->loops;
    p4c_loop_rest(&sim->loops);
    sim->reservation = 1;
    p4c_sim_set_pc(sim, read_csr(sim, MTVEC) & ~3u);
}

static void return_from_trap(struct p4c_sim *sim) {
    uint32_t status = read_csr(sim, MSTATUS);
    p4c_csr_write(sim, MSTATUS, STATUS_MPIE | (status & STATUS_MPIE ? STATUS_MIE : 0));
    sim->loops = sim->machine->interrupted;
    p4c_sim_set_pc(sim, read_csr(sim, MEPC));
}

static void take_interrupt(struct p4c_sim *sim) {
    if (p4c_machine_overdue(sim)) {
        sim->machine->watchdog_came = true;
        take_trap(sim, INTERRUPT | CAUSE_WATCHDOG, 0);
        return;
    }
    uint32_t ready = p4c_machine_pending(sim) & read_csr(sim, MIE);
    if (ready == 0 || !(read_csr(sim, MSTATUS) & STATUS_MIE)) return;
    take_trap(sim, INTERRUPT | (ready & PENDING_EXTERNAL ? CAUSE_EXTERNAL : CAUSE_TIMER), 0);
}

/* What the core does where the execute loop ended. False where the run ends there. */
static bool go_on(struct p4c_sim *sim, bool in_place) {
    const struct p4c_sim_stop *stop = &sim->stop;
    switch (stop->reason) {
    case P4C_SIM_LIMIT: return true;
    case P4C_SIM_TRAP_RETURN: return_from_trap(sim); return true;
    case P4C_SIM_WAIT: return (p4c_machine_pending(sim) & read_csr(sim, MIE)) != 0;
    case P4C_SIM_FAULT:
    case P4C_SIM_HOST_CALL: {
        uint32_t cause = cause_of(stop);
        /* No handler, or it cannot run its first instruction. */
        if (read_csr(sim, MTVEC) == 0 || in_place) return false;
        take_trap(sim, cause, cause == CAUSE_ILLEGAL ? stop->word : stop->address);
        return true;
    }
    default: return false;
    }
}

void p4c_machine_run(struct p4c_sim *sim, uint64_t max_instructions) {
    uint64_t executed = 0;
    bool trapped = false;
    do {
        uint64_t left = max_instructions - executed;
        take_interrupt(sim);
        p4c_execute(sim, left < SLICE ? left : SLICE);
        executed += sim->stop.instructions;
        bool in_place = trapped && sim->stop.instructions == 0;
        trapped = sim->stop.reason == P4C_SIM_FAULT || sim->stop.reason == P4C_SIM_HOST_CALL;
        if (!go_on(sim, in_place)) break;
    } while (executed < max_instructions);
    sim->stop.instructions = executed;
}

void p4c_machine_destroy(struct p4c_sim *sim) {
    if (sim->machine == NULL) return;
    free(sim->machine->received.bytes);
    free(sim->machine->sent.bytes);
    free(sim->machine);
}
