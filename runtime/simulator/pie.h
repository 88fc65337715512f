/* pie.h: the SIMD unit (PIE) and the hardware loops of a simulated core: state and decoded instructions.
 *
 * A PIE word is decoded once, into a `struct pie_instruction` that lies beside its slot (code_page.pie). What
 * it does is split in two: `compute`, by family and lane type, works on registers alone and cannot fault;
 * `access`, by memory form, does the load or store around it. Everything follows the slow reference model in
 * backend/pie/model.py, whose UNCERTAIN table lists what the sources leave open.
 */
#ifndef P4C_SIM_PIE_H
#define P4C_SIM_PIE_H

#include <stdbool.h>
#include <stdint.h>

struct p4c_sim;

/* Lane 0 is the lowest address. */
union pie_vector {
    uint8_t u8[16];
    int8_t s8[16];
    uint16_t u16[8];
    int16_t s16[8];
    uint32_t u32[4];
    int32_t s32[4];
};

/* 16 accumulators of 32 bits for 8-bit lanes, 8 of 64 bits for 16-bit lanes; the quarters l.l, l.h, h.l, h.h. */
union pie_accumulators {
    uint32_t u32[16];
    int32_t s32[16];
    uint64_t u64[8];
    int64_t s64[8];
    union pie_vector quarter[4];
};

/* Right shifts round by these modes: CFG.vxrm and the `rm` operand. */
enum pie_rounding { FLOOR, CEILING, AWAY, TOWARD_ZERO, HALF_AWAY, HALF_TOWARD_ZERO, HALF_EVEN, UNNECESSARY };
#define PIE_ROUNDING_DYNAMIC 7 /* as an operand, 7 means: take CFG.vxrm */

enum pie_cfg {
    CFG_MIS_ST = 1 << 0, /* hardware splits unaligned stores */
    CFG_MIS_LD = 1 << 1,
    CFG_SATURATED = 1 << 2, /* read-only, cleared by reading */
    CFG_INEXACT = 1 << 3,   /* read-only: mode 7 met a remainder */
    CFG_SAT_ENABLE = 1 << 8,
    CFG_VXRM_SHIFT = 4,
    CFG_WRITABLE = CFG_SAT_ENABLE | 0xf0 | CFG_MIS_LD | CFG_MIS_ST,
};

/* What an instruction needs and a strict simulator may forbid: the unit being on, quarters of QACC. */
enum pie_need {
    NEED_UNIT = 1 << 0,
    NEED_QACC_LOW = 3 << 1,
    NEED_QACC_HIGH = 3 << 3,
    NEED_QACC = NEED_QACC_LOW | NEED_QACC_HIGH,
};
#define NEED_QUARTER(number) (2u << (number))

struct pie_state {
    union pie_vector q[8];
    union pie_accumulators qacc;
    union pie_vector ua_state;
    uint64_t xacc; /* the 40 bits, without a sign */
    uint32_t sar;
    uint32_t sar_byte;
    uint32_t fft_bit_width;
    uint32_t cfg;
    /* Bits of enum pie_need that fault when used: the unit while CSR 0x7f2 is 0, and what srcmb consumed.
     * Stays 0 unless `strict`. */
    uint32_t forbidden;
    bool strict;
};

/* A loop's body is start..end, `end` being its last instruction; it is active while count is not 0. */
struct loop_state {
    uint32_t start[2];
    uint32_t end[2];
    uint32_t count[2];
    uint32_t after;  /* where the last instruction of a body, just executed, falls through to; or NOWHERE */
    uint32_t ending; /* bit per loop: that was the last instruction of its body */
    bool checked[2]; /* strict mode found that the body keeps the rules */
};
#define NOWHERE 1u /* no instruction has this address */

struct pie_instruction {
    void (*compute)(struct p4c_sim *sim, const struct pie_instruction *i); /* NULL: nothing to compute */
    bool (*access)(struct p4c_sim *sim, const struct pie_instruction *i);  /* NULL: no memory; false: fault */
    int32_t step;  /* post-increment of rs1 where it is a constant */
    uint8_t qu, qv, qw, qx, qy, qz;
    uint8_t rs1, rs2, rd; /* rd is 32 for x0 */
    uint8_t select;       /* lane, variant or byte count */
    uint8_t select2;      /* the second selector of ldxq and stxq */
    uint8_t saturate;
    uint8_t rounding;     /* PIE_ROUNDING_DYNAMIC: by CFG */
    uint8_t size;         /* bytes of the memory access */
    uint8_t needs;        /* enum pie_need */
    bool store;
    bool by_register;     /* post-increment by rs2 */
    bool indexed;         /* the address is rs1 + 4 * a halfword of qw */
    uint8_t family;
    uint8_t lanes;
    uint8_t memory;
    uint32_t present; /* bit per enum pie_operand that the instruction has */
    uint16_t count; /* of hardware loops, whose target distance is in `step` and whose number in `select` */
};

typedef void (*pie_compute)(struct p4c_sim *sim, const struct pie_instruction *i);
typedef bool (*pie_access)(struct p4c_sim *sim, const struct pie_instruction *i);

/* pie_decode.c: the op number for a word of this chip revision's encoding, with *i filled. OP_illegal: there is
 * no such instruction; OP_left_out: there is, and nothing here executes it. */
uint16_t p4c_pie_decode(const struct p4c_sim *sim, uint32_t word, struct pie_instruction *i);

/* One file per group of families; NULL where the family belongs to another. */
pie_compute p4c_pie_accumulate(uint8_t family, uint8_t lanes); /* pie_accumulate.c */
pie_compute p4c_pie_readout(uint8_t family, uint8_t lanes);    /* pie_readout.c */
pie_compute p4c_pie_arithmetic(uint8_t family, uint8_t lanes); /* pie_arithmetic.c */
pie_compute p4c_pie_shift(uint8_t family, uint8_t lanes);      /* pie_shift.c */
pie_compute p4c_pie_move(uint8_t family, uint8_t lanes);       /* pie_move.c */

/* pie_memory.c. p4c_pie_address: where the access of an instruction about to be executed goes. */
pie_access p4c_pie_access(const struct pie_instruction *i);
uint32_t p4c_pie_address(const struct p4c_sim *sim, const struct pie_instruction *i);

/* pie_state.c: `p4c_pie_forbidden` records the fault of an instruction that uses something forbidden. */
void p4c_pie_reset(struct p4c_sim *sim, bool strict);
void p4c_pie_switched(struct p4c_sim *sim, uint32_t state);
void p4c_pie_forbidden(struct p4c_sim *sim, const struct pie_instruction *i, uint32_t pc);

/* loops.c. p4c_loop_set executes an esp.lp instruction; p4c_loop_step is called before each instruction while a
 * loop is active and says in *target where to go instead, if not NOWHERE. Both are false on a fault. */
bool p4c_loop_set(struct p4c_sim *sim, const struct pie_instruction *i, uint32_t pc);
bool p4c_loop_step(struct p4c_sim *sim, uint32_t pc, uint32_t length, uint32_t *target);
bool p4c_loop_read(const struct loop_state *loops, uint32_t number, uint32_t *value); /* CSRs: false if it is none */
bool p4c_loop_write(struct loop_state *loops, uint32_t number, uint32_t value);
void p4c_loop_rest(struct loop_state *loops); /* as if none were set up */
static inline bool loops_active(const struct loop_state *loops) {
    return (loops->count[0] | loops->count[1]) != 0;
}

#endif
