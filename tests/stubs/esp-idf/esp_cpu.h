/* Written from the signatures of components/esp_hw_support/include/esp_cpu.h, IDF 5.5.4 and 6.0.2. */
#pragma once

#include <stdint.h>

typedef uint32_t esp_cpu_cycle_count_t;

static inline esp_cpu_cycle_count_t esp_cpu_get_cycle_count(void)
{
#ifdef __riscv
    esp_cpu_cycle_count_t count;
    __asm__ volatile("csrr %0, mcycle" : "=r"(count));
    return count;
#else
    return 0;
#endif
}
