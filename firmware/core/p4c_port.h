/* p4c_port.h: what the core asks of the board it runs on.
 *
 * A port is a record of functions and a record of facts; it owns all memory and all hardware. The core calls a
 * function with the port's own context as the first argument and never keeps what it returns longer than it says.
 * Everything happens on one thread; for bytes that arrive while code runs, see `call`.
 *
 * Addresses are the chip's, 32 bits wide. The core reaches memory only through `memory`, so that it runs on a
 * 64-bit machine too, where the tests and the fuzzer give it addresses of their own making; on the chip the function
 * is a cast.
 */
#ifndef P4C_PORT_H
#define P4C_PORT_H

#include <stdint.h>

/* Kinds of memory, with the numbers of regions in images; 0 stands for any. */
enum p4c_kind { P4C_ANY = 0, P4C_L2MEM = 1, P4C_PSRAM = 2, P4C_TCM = 3, P4C_KINDS = 4 };

/* What is left of one kind of memory, in bytes; all 0 where the board has none. */
struct p4c_heap {
    uint32_t total;
    uint32_t free;
    uint32_t largest; /* block that one allocation could have */
};

/* How code ended that faulted; `cause` and `value` as the RISC-V registers mcause and mtval. */
struct p4c_fault {
    uint32_t cause;
    uint32_t pc;
    uint32_t value;
    uint32_t ra;
    uint32_t sp;
};

/* What a call left behind. `cycles` are those of mcycle around it; `fault` is filled for P4C_ERR_FAULT only. */
struct p4c_call_result {
    uint32_t value; /* a0 */
    uint64_t cycles;
    struct p4c_fault fault;
};

/* The memory of faults. It lies where a restart does not clear it and is the port's; the core checks `magic` and
 * begins anew where it is wrong, as after power-up. The port's own fault handler may write to it, see p4c_core.h. */
struct p4c_fault_log {
    uint32_t magic;
    uint32_t restarts;
    uint32_t faults; /* since power-up */
    struct p4c_fault last;
    uint32_t code;        /* base of the code segment that ran */
    uint32_t in_firmware; /* 1 where it was the firmware itself */
};

/* Facts that hosts are told, and limits; constant while the core runs. */
struct p4c_board {
    const char *name; /* of the firmware, at most 15 characters */
    uint8_t chip_major; /* 1 or 3: images must have the same */
    uint8_t chip_minor;
    uint32_t cache_line;  /* bytes, a power of two: allocations are multiples of it */
    uint32_t stack_bytes; /* that code run by `call` may use */
    uint32_t limit_ms;    /* that code may run when the host sets no limit */
    uint32_t clock_hz;
    uint32_t block_bytes; /* most data in a BLOCK; below the receive buffer's size by 16 */
    uint32_t window;      /* BLOCKs that the port can hold, or delay, while the core works on one */
    uint32_t timeout_ms;  /* a packet that pauses longer is dropped */
};

struct p4c_port {
    void *context;

    /* A block of that kind (never P4C_ANY) that code may be run from, or 0. Size and alignment are multiples of
     * the cache line, the alignment a power of two. The block's content does not matter. */
    uint32_t (*alloc)(void *context, enum p4c_kind kind, uint32_t size, uint32_t alignment);
    /* `address` comes from alloc and was not given back since. */
    void (*free)(void *context, uint32_t address);
    void (*heap)(void *context, enum p4c_kind kind, struct p4c_heap *heap);

    /* The memory at an address of a live block; [address, address + size) lies in it. */
    uint8_t *(*memory)(void *context, uint32_t address, uint32_t size);

    /* Make what was written to [address, address + size) visible to instruction fetch and to other masters: write
     * the data cache back, invalidate the instruction cache. Whole cache lines. */
    void (*sync)(void *context, uint32_t address, uint32_t size);

    /* Call `int f(void)` at `address`, in machine mode where the port has the choice, and wait. Returns 0, or
     * P4C_ERR_FAULT, P4C_ERR_TIMEOUT after `limit_ms`, P4C_ERR_CANCELLED. Bytes that arrive meanwhile go to
     * p4c_core_receive: from an interrupt, as on the simulated chip, or from within `call` itself where a task of its
     * own runs the code. Once p4c_core_cancelled is true the port ends the code, whatever state it is in, and
     * returns. It is also true when CANCEL came before `call` began. */
    int (*call)(void *context, uint32_t address, uint32_t limit_ms, struct p4c_call_result *result);

    /* Send all of it, waiting as long as needed. May be called from within p4c_core_receive during `call`. */
    void (*send)(void *context, const uint8_t *data, uint32_t size);

    /* A clock that counts on and wraps. */
    uint32_t (*milliseconds)(void *context);

    /* Restart the chip; the fault log stays. Where it returns, the core goes on as after a RESET. */
    void (*restart)(void *context);
};

#endif
