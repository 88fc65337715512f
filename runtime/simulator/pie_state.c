/* pie_state.c: the SIMD unit's registers seen from outside, and what a strict simulator forbids. */
#include <string.h>

#include "state.h"

void p4c_pie_reset(struct p4c_sim *sim, bool strict) {
    sim->pie.strict = strict;
    sim->pie.forbidden = strict ? NEED_UNIT : 0;
    sim->loops.after = NOWHERE;
}

/* The guest wrote CSR 0x7f2: 0 switches the unit off. */
void p4c_pie_switched(struct p4c_sim *sim, uint32_t state) {
    if (!sim->pie.strict) return;
    sim->pie.forbidden &= ~(uint32_t)NEED_UNIT;
    if (state == 0) sim->pie.forbidden |= NEED_UNIT;
}

void p4c_pie_forbidden(struct p4c_sim *sim, const struct pie_instruction *i, uint32_t pc) {
    bool off = sim->pie.forbidden & i->needs & NEED_UNIT;
    p4c_record_fault(sim, off ? P4C_SIM_FAULT_PIE_OFF : P4C_SIM_FAULT_QACC_READ_TWICE, pc, 4);
}

void p4c_sim_get_pie(const struct p4c_sim *sim, struct p4c_sim_pie *state) {
    const struct pie_state *pie = &sim->pie;
    *state = (struct p4c_sim_pie){.xacc = pie->xacc,
                                  .sar = pie->sar,
                                  .sar_byte = pie->sar_byte,
                                  .fft_bit_width = pie->fft_bit_width,
                                  .cfg = pie->cfg};
    memcpy(state->q, pie->q, sizeof state->q);
    memcpy(state->qacc, &pie->qacc, sizeof state->qacc);
    memcpy(state->ua_state, &pie->ua_state, sizeof state->ua_state);
}

void p4c_sim_set_pie(struct p4c_sim *sim, const struct p4c_sim_pie *state) {
    struct pie_state *pie = &sim->pie;
    memcpy(pie->q, state->q, sizeof pie->q);
    memcpy(&pie->qacc, state->qacc, sizeof pie->qacc);
    memcpy(&pie->ua_state, state->ua_state, sizeof pie->ua_state);
    pie->xacc = state->xacc & UINT64_MAX >> 24;
    pie->sar = state->sar & 63;
    pie->sar_byte = state->sar_byte & 15;
    pie->fft_bit_width = state->fft_bit_width & 15;
    pie->cfg = state->cfg & (CFG_WRITABLE | CFG_SATURATED | CFG_INEXACT);
    pie->forbidden &= ~(uint32_t)NEED_QACC;
}
