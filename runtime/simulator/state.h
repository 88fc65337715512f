/* state.h: what a simulated core consists of, shared by the simulator's own files.
 *
 * The loop in execute_loop.h lives on two structures made for speed:
 *
 *   pages       one entry per 4 KB of the 32-bit address space. A load looks up `read`, a store `write`,
 *               a jump `code`; NULL sends it to the slow path in memory.c, which knows regions,
 *               permissions, MMIO and faults. The table is calloc'ed: parts never touched cost nothing.
 *   code pages  one decoded instruction per half-word of a page that was executed, so the instruction
 *               after a 2-byte one is the next slot and after a 4-byte one the next but one. A slot holds
 *               OP_decode until pc first reaches it, and again after something wrote to its bytes.
 *
 * Invariant: a page that has a code page has `write` NULL, so every store to it takes the slow path,
 * which resets the slots it overlaps.
 */
#ifndef P4C_SIM_STATE_H
#define P4C_SIM_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "instructions.h"
#include "pie.h"
#include "sim.h"

#define PAGE_BITS 12
#define PAGE_SIZE (1u << PAGE_BITS)
#define PAGE_MASK (PAGE_SIZE - 1)
#define PAGE_COUNT (1u << (32 - PAGE_BITS))
#define PAGE_SLOTS (PAGE_SIZE / 2)

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
/* Keeps slow paths out of the execute loop, whose registers they would otherwise crowd. */
#define COLD __attribute__((noinline, cold))

/* One decoded instruction. rd is 32 where an x register result goes to x0: writes need no test. */
struct instruction {
    uint16_t op;     /* enum op */
    uint8_t length;  /* bytes: 2 or 4 */
    uint8_t rd;
    uint8_t rs1;
    uint8_t rs2;
    uint8_t rs3;
    uint8_t rm;      /* rounding mode field of floating-point instructions; 7 = take frm */
    int32_t imm;     /* immediate; for jumps, branches and auipc the absolute address */
    uint32_t word;   /* as fetched, for fault records */
};

struct code_page {
    uint32_t pc; /* address of slot 0 */
    /* Two slots of OP_page_end catch pc running off the page, by a 2- or a 4-byte instruction. */
    struct instruction slots[PAGE_SLOTS + 2];
    struct pie_instruction *pie; /* by slot; NULL until the page is found to hold a PIE instruction */
    struct timing_slot *timing;  /* by slot; NULL unless there is a timing model */
};

struct page {
    uint8_t *read;  /* host address of the page's first byte, or NULL */
    uint8_t *write;
    struct code_page *code;
};

enum { CAN_READ = 1, CAN_WRITE = 2, CAN_EXECUTE = 4 };

/* A memory of the chip (`memory` set) or a window of device registers (`mmio_read` set). */
struct region {
    uint32_t base;
    uint32_t size;
    uint32_t permissions;
    uint8_t *memory;
    p4c_sim_mmio_read mmio_read;
    p4c_sim_mmio_write mmio_write;
    void *context;
};

#define MAX_REGIONS 16
#define STORED_CSRS 16

struct p4c_sim {
    uint32_t x[33]; /* x[32] swallows results that go to x0 */
    uint32_t f[32];
    uint32_t pc;    /* valid between runs only */
    uint32_t fflags;
    uint32_t frm;
    uint32_t reservation; /* address that lr.w reserved, or 1: no word has that address */
    uint64_t instructions;
    /* What the guest's counters are ahead of `instructions`; changed by writing mcycle and minstret. */
    uint64_t cycle_offset;
    uint64_t instret_offset;
    uint32_t csr[STORED_CSRS]; /* by row of the table in csr.c */
    uint32_t chip_revision;
    struct pie_state pie;
    struct loop_state loops;
    struct timing *timing;   /* NULL: a cycle is an instruction */
    struct machine *machine; /* NULL: no devices, and no traps are taken */
    struct page *pages;
    struct region regions[MAX_REGIONS];
    uint32_t region_count;
    struct p4c_sim_stop stop; /* record of the fault that a slow path met */
};

/* memory.c */
#define LOAD_FAULT UINT64_MAX /* no value of up to 32 bits */
bool p4c_memory_create(struct p4c_sim *sim, const struct p4c_sim_config *config);
void p4c_memory_destroy(struct p4c_sim *sim);
COLD uint64_t p4c_load_slow(struct p4c_sim *sim, uint32_t address, uint32_t size);
COLD bool p4c_store_slow(struct p4c_sim *sim, uint32_t address, uint32_t size, uint32_t value);
bool p4c_memory_writable(const struct p4c_sim *sim, uint32_t address, uint32_t size);
COLD bool p4c_record_fault(struct p4c_sim *sim, enum p4c_sim_fault fault, uint32_t address, uint32_t size);

/* decode.c */
COLD struct code_page *p4c_code_page(struct p4c_sim *sim, uint32_t pc);
COLD bool p4c_decode(struct p4c_sim *sim, uint32_t pc, struct instruction *slot);
void p4c_forget_code(struct p4c_sim *sim, uint32_t address, uint32_t size);

/* compressed.c: the 32-bit instruction that a 16-bit one stands for, or 0 (illegal) if there is none. */
uint32_t p4c_expand_compressed(uint32_t half);

/* csr.c: false where there is no such CSR or it is read-only. */
#define CSR_LOOP_FIRST 0x7c6 /* start, end, count of loop 0; then of loop 1 (ESP-IDF csr_hwlp.h) */
#define CSR_LOOP_STATE 0x7f1 /* 0 off, 1 initial, 2 clean, 3 dirty */
#define CSR_PIE_STATE 0x7f2  /* as CSR_LOOP_STATE, of the SIMD unit (ESP-IDF csr_pie.h) */
void p4c_csr_reset(struct p4c_sim *sim);
#define CSR_INTERRUPT_PENDING 0x344
bool p4c_csr_read(const struct p4c_sim *sim, uint32_t number, uint32_t *value);
bool p4c_csr_write(struct p4c_sim *sim, uint32_t number, uint32_t value);

/* execute_fast.c, execute_timed.c: run until something ends the run; fill sim->stop, sim->pc and the counters. */
void p4c_execute_fast(struct p4c_sim *sim, uint64_t max_instructions);
void p4c_execute_timed(struct p4c_sim *sim, uint64_t max_instructions);

/* sim.c: the one of the two that fits. */
void p4c_execute(struct p4c_sim *sim, uint64_t max_instructions);

/* timing.c: cycles so far, instructions where there is no timing model; the host starts something new. */
uint64_t p4c_timing_cycles(const struct p4c_sim *sim);
void p4c_timing_drain(struct p4c_sim *sim);
bool p4c_timing_create(struct p4c_sim *sim, uint32_t l2_kb);
void p4c_timing_destroy(struct p4c_sim *sim);

/* timing_slots.c: fill code->timing for a slot that was just decoded; false without host memory. */
bool p4c_timing_describe(struct p4c_sim *sim, uint32_t pc, const struct instruction *slot);

#endif
