/* In place of the port's cpu.h: a host's cycles, and no vector unit. */
#pragma once

#include <stdint.h>

static inline uint64_t cpu_cycles(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline void cpu_own_vector_unit(void) {}
