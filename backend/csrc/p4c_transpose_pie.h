/* Transposing bytes with the vector unit, for kernels that change the order of pixels and channels. */
#ifndef P4C_TRANSPOSE_PIE_H
#define P4C_TRANSPOSE_PIE_H

#include "p4c_kernel.h"
#include "p4c_pie.h"

/* Interleaving bytes, then pairs, then fours puts the eight bytes of a column side by side, two columns in a register. */
#define P4C_TRANSPOSE_STORE(q) PIE_VST_L_64_XP(q, a1, a2) PIE_VST_H_64_XP(q, a1, a2)
#define P4C_TRANSPOSE_AND_STORE \
    PIE_VZIP_8(q0, q1) PIE_VZIP_8(q2, q3) PIE_VZIP_8(q4, q5) PIE_VZIP_8(q6, q7) \
    PIE_VZIP_16(q0, q2) PIE_VZIP_16(q4, q6) PIE_VZIP_16(q1, q3) PIE_VZIP_16(q5, q7) \
    PIE_VZIP_32(q0, q4) PIE_VZIP_32(q2, q6) PIE_VZIP_32(q1, q5) PIE_VZIP_32(q3, q7) \
    P4C_TRANSPOSE_STORE(q0) P4C_TRANSPOSE_STORE(q4) P4C_TRANSPOSE_STORE(q2) P4C_TRANSPOSE_STORE(q6) \
    P4C_TRANSPOSE_STORE(q1) P4C_TRANSPOSE_STORE(q5) P4C_TRANSPOSE_STORE(q3) P4C_TRANSPOSE_STORE(q7)

/* Eight rows of 16 bytes, in_step apart and 16-byte aligned, to 16 rows of eight, out_step apart and 8-byte aligned. Both
 * steps are constants; a small one fits the loads. */
P4C_INLINE void p4c_pie_transpose(const int8_t *input, int in_step, int8_t *output, int out_step)
{
    register const int8_t *x __asm__("a0") = input;
    register int8_t *y __asm__("a1") = output;
    register int step __asm__("a2") = out_step;
    if (in_step < 2048) {
        __asm__ volatile(
            PIE_VLD_128_IP(q0, a0, %[row]) PIE_VLD_128_IP(q1, a0, %[row]) PIE_VLD_128_IP(q2, a0, %[row])
            PIE_VLD_128_IP(q3, a0, %[row]) PIE_VLD_128_IP(q4, a0, %[row]) PIE_VLD_128_IP(q5, a0, %[row])
            PIE_VLD_128_IP(q6, a0, %[row]) PIE_VLD_128_IP(q7, a0, %[row])
            P4C_TRANSPOSE_AND_STORE
            : "+&r"(x), "+&r"(y)
            : "r"(step), [row] "i"(in_step < 2048 ? in_step : 0)
            : "memory");
        return;
    }
    register int row __asm__("a3") = in_step;
    __asm__ volatile(
        PIE_VLD_128_XP(q0, a0, a3) PIE_VLD_128_XP(q1, a0, a3) PIE_VLD_128_XP(q2, a0, a3) PIE_VLD_128_XP(q3, a0, a3)
        PIE_VLD_128_XP(q4, a0, a3) PIE_VLD_128_XP(q5, a0, a3) PIE_VLD_128_XP(q6, a0, a3) PIE_VLD_128_XP(q7, a0, a3)
        P4C_TRANSPOSE_AND_STORE
        : "+&r"(x), "+&r"(y)
        : "r"(step), "r"(row)
        : "memory");
}

#endif
