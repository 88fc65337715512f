/* main.c: the core on the simulated chip, bare metal: UART0, SYSTIMER, and traps of code that goes wrong.
 *
 * The line is read in the main loop while the core is idle, and by the UART's interrupt while code runs: interrupts are
 * on only then. The interrupt may end the code in any state it is in, because nothing of it is needed afterwards.
 */
#include <stddef.h>

#include "heap.h"
#include "p4c_core.h"

/* Registers of the chip, as the simulator has them (runtime/simulator/sim.h). */
#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART_FIFO REGISTER(0x500ca000)
#define UART_INT_ENA REGISTER(0x500ca00c)
#define UART_STATUS REGISTER(0x500ca01c)
#define TIMER_OP REGISTER(0x500e2004)
#define TIMER_TARGET_HI REGISTER(0x500e201c)
#define TIMER_TARGET_LO REGISTER(0x500e2020)
#define TIMER_NOW_HI REGISTER(0x500e2040)
#define TIMER_NOW_LO REGISTER(0x500e2044)
#define TIMER_INT_ENA REGISTER(0x500e2064)

enum { TICKS_PER_MS = 16000, MIE_TIMER = 1 << 7, MIE_EXTERNAL = 1 << 11 };
#define CAUSE_TIMER 0x80000007u
#define CAUSE_EXTERNAL 0x8000000bu
#define CAUSE_WATCHDOG 0x80000018u /* the alarm, in code that keeps interrupts away */

enum { LINE = 128, L2MEM_HEAP = 0x4ff10000, L2MEM_END = 0x4ff80000, PSRAM = 0x48000000, TCM = 0x30100000,
       TCM_BYTES = 8192 };
/* Packets of 1 MB and a little, as P4-JIT has: its hosts send a WRITE in one piece. The buffers begin PSRAM. */
enum { PAYLOAD_BYTES = 1024 * 1024 + 1024, BUFFER_BYTES = PAYLOAD_BYTES + 128, WINDOW = 8 };

/* Made by the linker. */
extern uint8_t p4c_code_stack_end[], p4c_code_stack_top[];
/* start.S */
int p4c_enter(uint32_t function, uint32_t stack_top);
_Noreturn void p4c_abandon(int value);
_Noreturn void p4c_start(uint32_t chip_major, uint32_t psram_bytes);
int p4c_main(uint32_t chip_major, uint32_t psram_bytes);

static struct p4c_core core;
static struct heap heaps[P4C_KINDS];
static struct p4c_board board = {
    .name = "p4c sim",
    .cache_line = LINE,
    .limit_ms = 60000,
    .clock_hz = 360000000,
    .block_bytes = 16384,
    .window = WINDOW,
    .timeout_ms = 250,
};
static struct p4c_call_result *calling; /* NULL: no code of others runs */

/* What a restart leaves. */
__attribute__((section(".noinit"))) static struct {
    struct p4c_fault_log log;
    uint32_t chip_major;
    uint32_t psram_bytes;
} kept;

static uint32_t pointer(const volatile void *address)
{
    return (uint32_t)(uintptr_t)address;
}

static uint64_t ticks(void)
{
    TIMER_OP = 1u << 30;
    uint64_t high = TIMER_NOW_HI;
    return high << 32 | TIMER_NOW_LO;
}

/* In steps of 16384 ticks, 1.024 ms: close enough for timeouts, and no 64-bit division. */
static uint32_t milliseconds(void *context)
{
    (void)context;
    return (uint32_t)(ticks() >> 14);
}

static uint32_t port_alloc(void *context, enum p4c_kind kind, uint32_t size, uint32_t alignment)
{
    (void)context;
    return heap_alloc(&heaps[kind], size, alignment);
}

static void port_free(void *context, uint32_t address)
{
    (void)context;
    for (uint32_t kind = 1; kind < P4C_KINDS; kind++) heap_free(&heaps[kind], address);
}

static void port_heap(void *context, enum p4c_kind kind, struct p4c_heap *result)
{
    (void)context;
    heap_measure(&heaps[kind], result);
}

static uint8_t *port_memory(void *context, uint32_t address, uint32_t size)
{
    (void)context, (void)size;
    return (uint8_t *)(uintptr_t)address;
}

/* The simulator's caches hold no data of their own; this tells the compiler and a strict reader of the manual. */
static void port_sync(void *context, uint32_t address, uint32_t size)
{
    (void)context, (void)address, (void)size;
    __asm__ volatile("fence\n\tfence.i" ::: "memory");
}

static void port_send(void *context, const uint8_t *data, uint32_t size)
{
    (void)context;
    for (uint32_t i = 0; i < size; i++) UART_FIFO = data[i];
}

static uint64_t cycles(void)
{
    uint32_t high, low, again;
    do {
        __asm__ volatile("csrr %0, mcycleh\n\tcsrr %1, mcycle\n\tcsrr %2, mcycleh" : "=r"(high), "=r"(low), "=r"(again));
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

/* Before each call: the code before may have written these registers. They interrupt while code runs, and only end
 * the main loop's wfi else, because mstatus.MIE is off then. */
static void enable_interrupts(void)
{
    UART_INT_ENA = 1;
    __asm__ volatile("csrw mie, %0" ::"r"(MIE_TIMER | MIE_EXTERNAL));
}

static int port_call(void *context, uint32_t address, uint32_t limit_ms, struct p4c_call_result *result)
{
    (void)context;
    if (p4c_core_cancelled(&core)) return P4C_ERR_CANCELLED;
    uint64_t target = ticks() + (uint64_t)limit_ms * TICKS_PER_MS;
    TIMER_TARGET_HI = (uint32_t)(target >> 32);
    TIMER_TARGET_LO = (uint32_t)target;
    TIMER_INT_ENA = 1;
    enable_interrupts();
    calling = result;
    uint64_t before = cycles();
    /* Negative values are the port's; a function that returns one is told apart by `calling`. */
    int value = p4c_enter(address, pointer(p4c_code_stack_top));
    result->cycles = cycles() - before;
    int ended = calling == NULL;
    calling = NULL;
    TIMER_INT_ENA = 0;
    enable_interrupts();
    if (ended) return value;
    result->value = (uint32_t)value;
    return 0;
}

static void port_restart(void *context)
{
    (void)context;
    p4c_start(kept.chip_major, kept.psram_bytes);
}

static const struct p4c_port port = {
    .alloc = port_alloc,
    .free = port_free,
    .heap = port_heap,
    .memory = port_memory,
    .sync = port_sync,
    .call = port_call,
    .send = port_send,
    .milliseconds = milliseconds,
    .restart = port_restart,
};

/* Move what has arrived to the core; whether there was anything. */
static int serve_line(void)
{
    uint8_t bytes[128];
    uint32_t size = UART_STATUS & 0xff;
    for (uint32_t i = 0; i < size; i++) bytes[i] = (uint8_t)UART_FIFO;
    p4c_core_receive(&core, bytes, size);
    return size != 0;
}

/* End the code that runs. */
static _Noreturn void end_call(int error)
{
    calling = NULL;
    p4c_abandon(error);
}

struct trap_frame {
    uint32_t ra;
    uint32_t sp;
};

/* Called on the trap stack; returns to the code that was interrupted, or not at all. */
void p4c_trap(const struct trap_frame *frame)
{
    struct p4c_fault fault = {.ra = frame->ra, .sp = frame->sp};
    __asm__ volatile("csrr %0, mcause\n\tcsrr %1, mepc\n\tcsrr %2, mtval"
                     : "=r"(fault.cause), "=r"(fault.pc), "=r"(fault.value));
    if (fault.cause == CAUSE_TIMER || fault.cause == CAUSE_WATCHDOG) end_call(P4C_ERR_TIMEOUT);
    if (fault.cause == CAUSE_EXTERNAL) {
        serve_line();
        if (p4c_core_cancelled(&core)) end_call(P4C_ERR_CANCELLED);
        return;
    }
    if (calling == NULL) {
        p4c_core_note_fault(&core, &fault);
        port_restart(NULL);
    }
    calling->fault = fault;
    end_call(P4C_ERR_FAULT);
}

int p4c_main(uint32_t chip_major, uint32_t psram_bytes)
{
    kept.chip_major = chip_major;
    kept.psram_bytes = psram_bytes;
    board.chip_major = (uint8_t)chip_major;
    board.stack_bytes = pointer(p4c_code_stack_top) - pointer(p4c_code_stack_end);
    heaps[P4C_L2MEM].whole = (struct heap_range){L2MEM_HEAP, L2MEM_END};
    heaps[P4C_PSRAM].whole = (struct heap_range){PSRAM + 2 * BUFFER_BYTES, PSRAM + psram_bytes};
    heaps[P4C_TCM].whole = (struct heap_range){TCM, TCM + TCM_BYTES};
    uint8_t *buffers = (uint8_t *)PSRAM;
    const struct p4c_buffers sizes = {buffers, PAYLOAD_BYTES + 16, buffers + BUFFER_BYTES, PAYLOAD_BYTES + 16};
    if (p4c_core_begin(&core, &port, &board, &kept.log, &sizes) != 0) return 0;
    enable_interrupts();
    for (;;) {
        if (!serve_line()) __asm__ volatile("wfi");
    }
}
