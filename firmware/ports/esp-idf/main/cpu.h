/* cpu.h: what runner.c says to the processor in its own words. */
#ifndef P4C_BOARD_CPU_H
#define P4C_BOARD_CPU_H

#include <stdint.h>

#include "sdkconfig.h"

/* The 64-bit cycle counter; the high half is read twice because the low one may wrap in between. */
static inline uint64_t cpu_cycles(void)
{
    uint32_t high, low, again;
    do {
        __asm__ volatile("csrr %0, mcycleh\n\tcsrr %1, mcycle\n\tcsrr %2, mcycleh" : "=r"(high), "=r"(low), "=r"(again));
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

/* The system gives the vector unit to a task at its first vector instruction, by a trap, and keeps its registers for it
 * from then on. Images switch the unit on themselves, so there would be no trap, and no owner: this is the first
 * instruction, esp.zero.q q0. */
static inline void cpu_own_vector_unit(void)
{
#if defined(CONFIG_ESP32P4_SELECTS_REV_LESS_V3)
    __asm__ volatile(".word 0x0040005b");
#else
    __asm__ volatile(".word 0x0000101b");
#endif
}

#endif
