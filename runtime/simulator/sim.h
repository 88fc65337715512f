/* sim.h: the public face of p4c's ESP32-P4 simulator.
 *
 * One `struct p4c_sim` is one core with its memories. It executes RV32IMAFC with Zicsr, Zifencei, the
 * Zicntr counters, the SIMD unit (PIE) in the encoding of the chip revision, and the hardware loops,
 * instruction by instruction, and counts them exactly; with a timing model it also estimates cycles. It
 * shares nothing with another instance, so as many of them as there are cores may run at once, each in one
 * thread.
 *
 * How a host calls a function of a loaded program:
 *
 *     struct p4c_sim *sim = p4c_sim_create(&(struct p4c_sim_config){3, 16 << 20, 32 << 20});
 *     p4c_sim_write(sim, code_address, code, code_size);
 *     p4c_sim_set_x(sim, 1, P4C_SIM_RETURN_ADDRESS);        (ra: where the run shall end)
 *     p4c_sim_set_x(sim, 2, stack_top);                     (sp)
 *     p4c_sim_set_pc(sim, code_address + entry);
 *     p4c_sim_run(sim, 1000000, &stop);                     (stop.reason is P4C_SIM_RETURN)
 *
 * No traps are taken: whatever would trap on the chip ends the run with a record of what happened,
 * which says more than a handler inside the guest could. Only a simulator with devices takes them, and
 * interrupts, see p4c_sim_attach_devices. Differences from the chip that a program can see: FPU always on
 * (mstatus.FS reads Dirty), and a store to code is seen at once instead of after fence.i.
 *
 * The host must be little-endian. Nothing of the operating system is used but malloc and free.
 */
#ifndef P4C_SIM_H
#define P4C_SIM_H

#include <stdint.h>

#if defined(_WIN32)
#define P4C_SIM_API __declspec(dllexport)
#else
#define P4C_SIM_API __attribute__((visibility("default")))
#endif

/* A jump to this address ends the run with P4C_SIM_RETURN. No memory of the chip lies there. */
#define P4C_SIM_RETURN_ADDRESS 0xfffffff0u

struct p4c_sim;

/* What differs between boards. Sizes are multiples of 4096 and may be 0.
 * chip_revision is the major number, 1 or 3: the two speak different SIMD encodings. */
struct p4c_sim_config {
    uint32_t chip_revision;
    uint32_t flash_size; /* at most 64 MB, the window at 0x40000000 */
    uint32_t psram_size; /* at most 64 MB, the window at 0x48000000 */
    uint32_t strict;     /* not 0: report what works here and not reliably on the chip, see P4C_SIM_FAULT_PIE_OFF */
    /* 0: no timing model, a cycle is an instruction. Otherwise the L2 cache's share of L2MEM: 128, 256, 512. */
    uint32_t l2_cache_kb;
};

/* Why a run ended. */
enum p4c_sim_reason {
    P4C_SIM_LIMIT,     /* max_instructions were executed; run again to go on */
    P4C_SIM_RETURN,    /* pc reached P4C_SIM_RETURN_ADDRESS */
    P4C_SIM_HOST_CALL, /* ecall; pc stands on it: serve it, add 4 to pc, run again */
    P4C_SIM_FAULT,     /* see enum p4c_sim_fault; pc stands on the instruction, which had no effect */
    P4C_SIM_WAIT,      /* with devices only: wfi, and no interrupt is pending; pc stands behind it */
    P4C_SIM_TRAP_RETURN, /* the simulator's own, never seen */
};

/* What went wrong. In brackets: what `address` of the record holds. */
enum p4c_sim_fault {
    P4C_SIM_NO_FAULT,
    P4C_SIM_FAULT_FETCH,      /* pc is not in executable memory [the half-word that is not] */
    P4C_SIM_FAULT_LOAD,       /* nothing to read there [first byte of the access] */
    P4C_SIM_FAULT_STORE,      /* nothing to write there, or read-only [first byte of the access] */
    P4C_SIM_FAULT_MISALIGNED, /* atomic or MMIO access off its own size [first byte of the access] */
    P4C_SIM_FAULT_ILLEGAL,    /* no such instruction or CSR, or a reserved rounding mode [pc] */
    P4C_SIM_FAULT_BREAKPOINT, /* ebreak [pc] */
    P4C_SIM_FAULT_LEFT_OUT,   /* an instruction of the chip that the simulator does not execute [pc] */
    /* From here on, strict simulators only. */
    P4C_SIM_FAULT_PIE_OFF,         /* SIMD instruction while CSR 0x7f2 is 0 [pc] */
    P4C_SIM_FAULT_QACC_READ_TWICE, /* QACC was read out and not set anew: the chip may have shifted it [pc] */
    P4C_SIM_FAULT_ROUNDED_DOWN,    /* vector access off its alignment, CFG does not let it be split [address] */
    P4C_SIM_FAULT_LOOP_OFF,        /* esp.lp.* while CSR 0x7f1 is 0 [pc] */
    P4C_SIM_FAULT_LOOP_COUNT,      /* set up to run no time [pc] */
    P4C_SIM_FAULT_LOOP_ALIGNMENT,  /* esp.lp.setup or the last instruction not on 4 bytes [that instruction] */
    P4C_SIM_FAULT_LOOP_SHORT,      /* body under 8 instructions of 4 or 16 of 2 bytes [its start] */
    P4C_SIM_FAULT_LOOP_LAST,       /* the last instruction is SIMD or floating-point [that instruction] */
    P4C_SIM_FAULT_LOOP_LEFT,       /* a jump out of the body [where to] */
};

/* The record of a run's end. Fields that a fault does not use are 0. */
struct p4c_sim_stop {
    uint32_t reason;       /* enum p4c_sim_reason */
    uint32_t fault;        /* enum p4c_sim_fault */
    uint32_t pc;           /* of the instruction that would be executed next */
    uint32_t address;      /* see enum p4c_sim_fault */
    uint32_t size;         /* bytes of the faulting access */
    uint32_t word;         /* the instruction as fetched: 16 or 32 bits */
    uint64_t instructions; /* executed by this run; a faulting instruction does not count */
};

/* NULL where the configuration is out of range or the host has no memory. All memory reads as zero. */
P4C_SIM_API struct p4c_sim *p4c_sim_create(const struct p4c_sim_config *config);
P4C_SIM_API void p4c_sim_destroy(struct p4c_sim *sim);

/* Execute at most max_instructions. May be called again after any end; a run that ended by fault
 * meets the same instruction again unless the host moves pc. */
P4C_SIM_API void p4c_sim_run(struct p4c_sim *sim, uint64_t max_instructions, struct p4c_sim_stop *stop);

/* Copy between host and chip. The whole range must lie in one memory (not MMIO); returns 1, or 0 with
 * nothing copied. Writing reaches flash too: this is how programs get there. Code that was already
 * executed may be overwritten at any time. */
P4C_SIM_API int p4c_sim_read(const struct p4c_sim *sim, uint32_t address, void *data, uint32_t size);
P4C_SIM_API int p4c_sim_write(struct p4c_sim *sim, uint32_t address, const void *data, uint32_t size);

/* Registers by number 0..31 (taken modulo 32); x0 stays 0. f registers are the 32 bits of a float. */
P4C_SIM_API uint32_t p4c_sim_get_x(const struct p4c_sim *sim, uint32_t number);
P4C_SIM_API void p4c_sim_set_x(struct p4c_sim *sim, uint32_t number, uint32_t value);
P4C_SIM_API uint32_t p4c_sim_get_f(const struct p4c_sim *sim, uint32_t number);
P4C_SIM_API void p4c_sim_set_f(struct p4c_sim *sim, uint32_t number, uint32_t value);
P4C_SIM_API uint32_t p4c_sim_get_pc(const struct p4c_sim *sim);
P4C_SIM_API void p4c_sim_set_pc(struct p4c_sim *sim, uint32_t pc);

/* CSRs as the guest sees them; 1, or 0 where there is no such CSR (or it is read-only). */
P4C_SIM_API int p4c_sim_get_csr(const struct p4c_sim *sim, uint32_t number, uint32_t *value);
P4C_SIM_API int p4c_sim_set_csr(struct p4c_sim *sim, uint32_t number, uint32_t value);

/* The SIMD unit's registers: lanes and quarters in memory order, XACC without a sign in 40 bits. */
struct p4c_sim_pie {
    uint8_t q[8][16];
    uint8_t qacc[64];
    uint8_t ua_state[16];
    uint64_t xacc;
    uint32_t sar;
    uint32_t sar_byte;
    uint32_t fft_bit_width;
    uint32_t cfg;
};
P4C_SIM_API void p4c_sim_get_pie(const struct p4c_sim *sim, struct p4c_sim_pie *state);
P4C_SIM_API void p4c_sim_set_pie(struct p4c_sim *sim, const struct p4c_sim_pie *state);

/* Instructions executed since creation, over all runs, whatever the guest wrote to minstret. */
P4C_SIM_API uint64_t p4c_sim_instructions(const struct p4c_sim *sim);

/* The timing model's counters since creation; without a model all but `instructions` are 0. Every figure is an
 * estimate, see timing.tsv. Cycles add up: instructions - pairs + fused_cycles + all *_stalls. */
enum p4c_sim_memory { P4C_SIM_DEVICE, P4C_SIM_TCM, P4C_SIM_FLASH, P4C_SIM_PSRAM, P4C_SIM_L2MEM, P4C_SIM_MEMORIES };
struct p4c_sim_counters {
    uint64_t cycles;
    uint64_t instructions;
    uint64_t pairs;            /* issued in the same cycle as the instruction before */
    uint64_t fused_cycles;     /* second issue cycles */
    uint64_t latency_stalls;   /* waiting for a result: load, multiply, SIMD load, move from SIMD, ... */
    uint64_t branch_stalls;    /* jumps and mispredicts */
    uint64_t loop_stalls;      /* set-up of hardware loops */
    uint64_t unaligned_stalls; /* accesses that the hardware splits */
    uint64_t fetch_stalls;     /* L1I misses, whatever they reach */
    uint64_t l2mem_stalls;     /* L1D misses that L2MEM serves */
    uint64_t l2_stalls;        /* L1D misses that look into the L2 cache */
    uint64_t psram_stalls;     /* and go on to PSRAM */
    uint64_t flash_stalls;     /* or to flash */
    uint64_t victim_stalls;    /* written lines that data misses evict */
    uint64_t mispredicts;
    uint64_t fetch_misses;
    uint64_t data_misses;
    uint64_t l2_misses;
    uint64_t read[P4C_SIM_MEMORIES];    /* bytes that the program's loads name, by enum p4c_sim_memory */
    uint64_t written[P4C_SIM_MEMORIES]; /* and its stores */
};
P4C_SIM_API void p4c_sim_get_counters(const struct p4c_sim *sim, struct p4c_sim_counters *counters);

/* Empty the caches, as after power-up; what they held is not written anywhere. The branch predictor forgets too. */
P4C_SIM_API void p4c_sim_cool(struct p4c_sim *sim);

/* Note the counters each time the instruction at one of these addresses is about to execute. Replaces the
 * markers before and forgets their marks; returns 1, or 0 where there is no timing model. */
struct p4c_sim_mark {
    uint64_t marker; /* number of the address */
    struct p4c_sim_counters counters;
};
P4C_SIM_API int p4c_sim_set_markers(struct p4c_sim *sim, const uint32_t *addresses, uint32_t count);
/* Move the marks, in the order they were made, to the caller; with room for too few none. Returns their number. */
P4C_SIM_API uint32_t p4c_sim_take_marks(struct p4c_sim *sim, struct p4c_sim_mark *marks, uint32_t capacity);

/* Device registers. Guest accesses in [base, base + size) call back with the offset from base and a
 * size of 1, 2 or 4; they are always aligned to their size. The callbacks run inside p4c_sim_run, on
 * its thread; they may read and write memory but not run or destroy the simulator.
 * Returns 1, or 0 where the range overlaps another or the table of regions is full. */
typedef uint32_t (*p4c_sim_mmio_read)(void *context, uint32_t offset, uint32_t size);
typedef void (*p4c_sim_mmio_write)(void *context, uint32_t offset, uint32_t size, uint32_t value);
P4C_SIM_API int p4c_sim_map_mmio(struct p4c_sim *sim, uint32_t base, uint32_t size, p4c_sim_mmio_read read,
                                 p4c_sim_mmio_write write, void *context);

/* Make the core a machine for bare-metal programs, once and for ever:
 *   UART0     0x500ca000   FIFO (0x00), INT_ENA bit 0: bytes wait (0x0c), STATUS: received bytes, at most 128 (0x1c)
 *   SYSTIMER  0x500e2000   unit 0, 16 ticks per microsecond: OP (0x04), VALUE_HI, _LO (0x40, 0x44), and its
 *                          alarm, by level: TARGET0_HI, _LO (0x1c, 0x20), INT_ENA bit 0 (0x64)
 * Where mtvec is not 0, faults and ecall trap to it with the causes of the privileged manual (24 and more: what
 * only strict simulators report, in the order of their faults from QACC_READ_TWICE), and so do the timer (7) and the UART (11) if mie and mstatus.MIE let them. An alarm that nobody
 * has heard for 100 ms comes as interrupt 24 whatever they say, once: the watchdog. A fault of the handler's first
 * instruction ends the run. Traps are not vectored. An active hardware loop rests until mret.
 * wfi ends the run with P4C_SIM_WAIT until bytes are fed or time passes. Returns 1, or 0 without memory. */
P4C_SIM_API int p4c_sim_attach_devices(struct p4c_sim *sim);

/* The other end of the UART's line, which is as fast as the program and loses nothing: bytes for it (1, or 0 without
 * memory), and up to `capacity` of those it has sent. */
P4C_SIM_API int p4c_sim_uart_feed(struct p4c_sim *sim, const uint8_t *data, uint32_t size);
P4C_SIM_API uint32_t p4c_sim_uart_take(struct p4c_sim *sim, uint8_t *data, uint32_t capacity);

/* Time passes on the timer, while the core waits; mcycle stands. */
P4C_SIM_API void p4c_sim_pass_time(struct p4c_sim *sim, uint32_t microseconds);

#endif
