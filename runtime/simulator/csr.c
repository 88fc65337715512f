/* csr.c: control and status registers: one table for those that only store, code for the others. */
#include "machine.h"
#include "state.h"

/* mcycle and minstret have no bits of their own: they are cycles and instructions so far plus an offset. */
enum {
    FFLAGS = 0x001,
    FRM = 0x002,
    FCSR = 0x003,
    MCYCLE = 0xb00,
    MINSTRET = 0xb02,
    CYCLE = 0xc00,
    INSTRET = 0xc02,
    HIGH_HALF = 0x080, /* mcycleh = mcycle + HIGH_HALF, and so on */
};

#define MSTATUS_FS_DIRTY 0x6000u
#define MSTATUS_SD 0x80000000u
#define MSTATUS_MPP 0x1800u /* machine mode */
#define LETTER(letter) (1u << ((letter) - 'A'))
#define MISA (0x40000000u | LETTER('A') | LETTER('C') | LETTER('F') | LETTER('I') | LETTER('M')) /* RV32IMAFC */

/* Registers that store what is written to their `writable` bits and read it back, with the rest at
 * their initial value. mstatus: interrupts are only stored, FS is fixed at Dirty (a choice that the
 * privileged manual leaves to the implementation). Numbers from 0xc00 up are read-only by definition. */
static const struct csr_row {
    uint16_t number;
    uint32_t initial;
    uint32_t writable;
} CSRS[] = {
    {0x300, MSTATUS_SD | MSTATUS_FS_DIRTY | MSTATUS_MPP, 0x88}, /* mstatus: MPIE and MIE */
    {0x301, MISA, 0},                                           /* misa */
    {0x304, 0, 0xffffffff},                                     /* mie */
    {0x305, 0, 0xfffffffd},                                     /* mtvec */
    {0x340, 0, 0xffffffff},                                     /* mscratch */
    {0x341, 0, 0xfffffffe},                                     /* mepc */
    {0x342, 0, 0xffffffff},                                     /* mcause */
    {0x343, 0, 0xffffffff},                                     /* mtval */
    {CSR_INTERRUPT_PENDING, 0, 0},                              /* mip: see machine.h */
    {CSR_LOOP_STATE, 0, 0x3},
    {CSR_PIE_STATE, 0, 0x3},
    {0xf11, 0, 0},   /* mvendorid */
    {0xf12, 0, 0},   /* marchid */
    {0xf13, 0, 0},   /* mimpid */
    {0xf14, 0, 0},   /* mhartid */
};
#define CSR_COUNT (sizeof CSRS / sizeof CSRS[0])
_Static_assert(CSR_COUNT <= STORED_CSRS, "struct p4c_sim has room for every row");

/* Row of a stored register, or CSR_COUNT. */
static size_t find_csr(uint32_t number) {
    size_t row = 0;
    while (row < CSR_COUNT && CSRS[row].number != number) row++;
    return row;
}

void p4c_csr_reset(struct p4c_sim *sim) {
    for (size_t row = 0; row < CSR_COUNT; row++) sim->csr[row] = CSRS[row].initial;
}

bool p4c_csr_read(const struct p4c_sim *sim, uint32_t number, uint32_t *value) {
    uint64_t cycles = p4c_timing_cycles(sim) + sim->cycle_offset;
    uint64_t retired = sim->instructions + sim->instret_offset;
    switch (number) {
    case FFLAGS: *value = sim->fflags; return true;
    case FRM: *value = sim->frm; return true;
    case FCSR: *value = sim->frm << 5 | sim->fflags; return true;
    case MCYCLE:
    case CYCLE: *value = (uint32_t)cycles; return true;
    case MCYCLE + HIGH_HALF:
    case CYCLE + HIGH_HALF: *value = (uint32_t)(cycles >> 32); return true;
    case MINSTRET:
    case INSTRET: *value = (uint32_t)retired; return true;
    case MINSTRET + HIGH_HALF:
    case INSTRET + HIGH_HALF: *value = (uint32_t)(retired >> 32); return true;
    default: break;
    }
    if (p4c_loop_read(&sim->loops, number, value)) return true;
    size_t row = find_csr(number);
    if (row == CSR_COUNT) return false;
    bool pending = number == CSR_INTERRUPT_PENDING && sim->machine != NULL;
    *value = pending ? p4c_machine_pending(sim) : sim->csr[row];
    return true;
}

/* Set one half of a counter. The guest reads in its next instruction what it wrote: the execute loop
 * has counted the writing instruction already. `counted` is the counter without its offset. */
static void write_counter(uint64_t counted, uint64_t *offset, uint32_t value, bool high) {
    uint64_t counter = counted + *offset;
    counter = high ? (uint64_t)value << 32 | (uint32_t)counter : (counter >> 32) << 32 | value;
    *offset = counter - counted;
}

bool p4c_csr_write(struct p4c_sim *sim, uint32_t number, uint32_t value) {
    if (number >= CYCLE) return false; /* read-only quarter of the number space */
    switch (number) {
    case FFLAGS: sim->fflags = value & 0x1f; return true;
    case FRM: sim->frm = value & 7; return true;
    case FCSR:
        sim->fflags = value & 0x1f;
        sim->frm = value >> 5 & 7;
        return true;
    case MCYCLE:
    case MCYCLE + HIGH_HALF:
        write_counter(p4c_timing_cycles(sim), &sim->cycle_offset, value, number != MCYCLE);
        return true;
    case MINSTRET:
    case MINSTRET + HIGH_HALF:
        write_counter(sim->instructions, &sim->instret_offset, value, number != MINSTRET);
        return true;
    default: break;
    }
    if (p4c_loop_write(&sim->loops, number, value)) return true;
    size_t row = find_csr(number);
    if (row == CSR_COUNT) return false;
    if (number == CSR_PIE_STATE) p4c_pie_switched(sim, value & 3);
    sim->csr[row] = (sim->csr[row] & ~CSRS[row].writable) | (value & CSRS[row].writable);
    return true;
}
