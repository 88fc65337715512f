/* What the entry of an image needs: the control block itself, the SIMD unit's switch, the cycle counter. */
#ifndef P4C_ENTRY_H
#define P4C_ENTRY_H

#include "p4c_control.h"
#include "p4c_support.h"

__attribute__((section(".p4c_control"), used)) struct p4c_control p4c_control = {
    .magic = P4C_CONTROL_MAGIC,
    .version = 2,
    .steps = P4C_ALL_STEPS,
    .status = P4C_NOT_RUN,
};

__attribute__((section(".text.p4c_entry"), used)) int p4c_entry(void);

/* Switches the SIMD unit (PIE) on. On bare metal it is off after reset and its instructions trap; under
 * ESP-IDF the first one would trap into the system, which switches it on too. */
static inline void p4c_enable_pie(void)
{
    __asm__ volatile("csrsi 0x7f2, 1");
}

/* The 64-bit cycle counter; the high half is read twice because the low one may wrap in between. */
static inline uint64_t p4c_cycles(void)
{
    uint32_t high, low, again;
    do {
        __asm__ volatile("csrr %0, mcycleh\n\tcsrr %1, mcycle\n\tcsrr %2, mcycleh" : "=r"(high), "=r"(low), "=r"(again));
    } while (high != again);
    return ((uint64_t)high << 32) | low;
}

#endif
