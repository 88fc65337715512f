/* machine.h: a simulated core with devices: it takes traps and interrupts, as a bare-metal program needs it.
 *
 * All of it happens between slices of the execute loop, which knows nothing of it: the loop ends at a fault, at
 * ecall, mret and wfi as it does at its limit, and machine.c decides how to go on.
 */
#ifndef P4C_SIM_MACHINE_H
#define P4C_SIM_MACHINE_H

#include "state.h"

/* Bits of mie and mip, which are numbers of causes too; and the watchdog, which no bit keeps away. */
enum { CAUSE_TIMER = 7, CAUSE_EXTERNAL = 11, PENDING_TIMER = 1 << CAUSE_TIMER, PENDING_EXTERNAL = 1 << CAUSE_EXTERNAL };
enum { CAUSE_WATCHDOG = 24 };

/* Bytes on their way: those in [first, used) are still to be taken. Both 0 when none are. */
struct queue {
    uint8_t *bytes;
    uint32_t first;
    uint32_t used;
    uint32_t capacity;
};

struct machine {
    struct queue received; /* by the UART, not yet read by the program */
    struct queue sent;     /* by the program, not yet taken by the host */
    uint32_t uart_enabled; /* interrupts */
    uint32_t timer_enabled;
    bool watchdog_came; /* since the timer was enabled */
    uint64_t target;     /* of the timer's alarm, in ticks */
    uint64_t latched;    /* the time when the program last asked for it */
    uint64_t idle_ticks; /* that passed while the core waited */
    struct loop_state interrupted; /* the hardware loops when the last trap was taken */
};

/* devices.c */
uint32_t p4c_machine_pending(const struct p4c_sim *sim);
bool p4c_machine_overdue(const struct p4c_sim *sim); /* the alarm rings, and nobody has heard it for long */

/* machine.c */
void p4c_machine_run(struct p4c_sim *sim, uint64_t max_instructions);
void p4c_machine_destroy(struct p4c_sim *sim);

#endif
