/* sim.c: making and destroying a simulator, running it, and reaching its registers. */
#include "sim.h"

#include <stdlib.h>

#include "machine.h"
#include "state.h"

struct p4c_sim *p4c_sim_create(const struct p4c_sim_config *config) {
    if (config->chip_revision != 1 && config->chip_revision != 3) return NULL;
    struct p4c_sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL) return NULL;
    if (!p4c_memory_create(sim, config)) {
        p4c_sim_destroy(sim);
        return NULL;
    }
    sim->chip_revision = config->chip_revision;
    sim->reservation = 1;
    p4c_csr_reset(sim);
    p4c_pie_reset(sim, config->strict != 0);
    if (config->l2_cache_kb != 0 && !p4c_timing_create(sim, config->l2_cache_kb)) {
        p4c_sim_destroy(sim);
        return NULL;
    }
    return sim;
}

void p4c_sim_destroy(struct p4c_sim *sim) {
    if (sim == NULL) return;
    p4c_memory_destroy(sim);
    p4c_timing_destroy(sim);
    p4c_machine_destroy(sim);
    free(sim);
}

void p4c_execute(struct p4c_sim *sim, uint64_t max_instructions) {
    if (sim->timing != NULL) {
        p4c_execute_timed(sim, max_instructions);
    } else {
        p4c_execute_fast(sim, max_instructions);
    }
}

void p4c_sim_run(struct p4c_sim *sim, uint64_t max_instructions, struct p4c_sim_stop *stop) {
    if (sim->machine != NULL) {
        p4c_machine_run(sim, max_instructions);
    } else {
        p4c_execute(sim, max_instructions);
    }
    *stop = sim->stop;
}

uint32_t p4c_sim_get_x(const struct p4c_sim *sim, uint32_t number) { return sim->x[number % 32]; }

void p4c_sim_set_x(struct p4c_sim *sim, uint32_t number, uint32_t value) {
    if (number % 32 != 0) sim->x[number % 32] = value;
}

uint32_t p4c_sim_get_f(const struct p4c_sim *sim, uint32_t number) { return sim->f[number % 32]; }

void p4c_sim_set_f(struct p4c_sim *sim, uint32_t number, uint32_t value) { sim->f[number % 32] = value; }

uint32_t p4c_sim_get_pc(const struct p4c_sim *sim) { return sim->pc; }

void p4c_sim_set_pc(struct p4c_sim *sim, uint32_t pc) {
    sim->pc = pc;
    p4c_timing_drain(sim);
}

int p4c_sim_get_csr(const struct p4c_sim *sim, uint32_t number, uint32_t *value) {
    return p4c_csr_read(sim, number, value);
}

int p4c_sim_set_csr(struct p4c_sim *sim, uint32_t number, uint32_t value) {
    return p4c_csr_write(sim, number, value);
}

uint64_t p4c_sim_instructions(const struct p4c_sim *sim) { return sim->instructions; }
