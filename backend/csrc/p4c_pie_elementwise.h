/* PIE loops over vectors of 16 bytes, one result for each; the result may be an operand's memory.
 *
 * Loads run one vector ahead where that hides their latency; the last vector is written out, so nothing behind an
 * operand is read. `vectors` is at least 1 and constant, as are the bounds.
 */
#ifndef P4C_PIE_ELEMENTWISE_H
#define P4C_PIE_ELEMENTWISE_H

#include "p4c_pie_conv.h"

#define P4C_IF_BOUNDED ".if %[bounded]\n"
#define P4C_BOUNDED(low, high) [bounded] "i"((low) > -128 || (high) < 127)

/* q2 = one requantized vector: acc = first + second * factor. The second operand is in q0, the factors are in q1. */
#define P4C_ADD_VECTOR(load_next) \
    PIE_LDQA_S8_128_IP(a0, 16) PIE_VMULAS_S8_QACC(q0, q1) PIE_SRCMB_S8_QACC_RNE(q2, a4) load_next \
    P4C_IF_BOUNDED PIE_VSAT_S8(q2, q2, a5, t3) ".endif\n" PIE_VST_128_IP(q2, a2, 16)

P4C_INLINE void p4c_pie_add(int vectors, const int8_t *first, const int8_t *second, const int8_t *factor, int shift, int low,
                            int high, int8_t *result)
{
    register const int8_t *x __asm__("a0") = first;
    register const int8_t *y __asm__("a1") = second;
    register int8_t *out __asm__("a2") = result;
    register const int8_t *f __asm__("a3") = factor;
    register int amount __asm__("a4") = shift;
    register int least __asm__("a5") = low;
    register int most __asm__("t3") = high;
    int count = vectors - 1;
    __asm__ volatile(
        PIE_VLDBC_8_IP(q1, a3, 0)
        PIE_VLD_128_IP(q0, a1, 16)
        ".if %[vectors] > 1\n"
        "1:\n"
        P4C_ADD_VECTOR("addi %[count], %[count], -1\n" PIE_VLD_128_IP(q0, a1, 16))
        "bnez %[count], 1b\n"
        ".endif\n"
        P4C_ADD_VECTOR("nop\n")
        : "+&r"(x), "+&r"(y), "+&r"(out), "+&r"(f), [count] "+&r"(count)
        : "r"(amount), "r"(least), "r"(most), [vectors] "i"(vectors), P4C_BOUNDED(low, high)
        : "memory");
}

/* acc = x * y. */
P4C_INLINE void p4c_pie_mul(int vectors, const int8_t *first, const int8_t *second, int shift, int low, int high,
                            int8_t *result)
{
    register const int8_t *x __asm__("a0") = first;
    register const int8_t *y __asm__("a1") = second;
    register int8_t *out __asm__("a2") = result;
    register int amount __asm__("a4") = shift;
    register int least __asm__("a5") = low;
    register int most __asm__("t3") = high;
    __asm__ volatile(
        "1:\n"
        PIE_VLD_128_IP(q0, a0, 16) PIE_VLD_128_IP(q1, a1, 16) PIE_ZERO_QACC()
        "addi %[vectors], %[vectors], -1\n"
        PIE_VMULAS_S8_QACC(q0, q1) PIE_SRCMB_S8_QACC_RNE(q2, a4)
        P4C_IF_BOUNDED PIE_VSAT_S8(q2, q2, a5, t3) ".endif\n"
        PIE_VST_128_IP(q2, a2, 16)
        "bnez %[vectors], 1b\n"
        : "+&r"(x), "+&r"(y), "+&r"(out), [vectors] "+&r"(vectors)
        : "r"(amount), "r"(least), "r"(most), P4C_BOUNDED(low, high)
        : "memory");
}

/* acc = x. */
P4C_INLINE void p4c_pie_requantize(int vectors, const int8_t *input, int shift, int low, int high, int8_t *result)
{
    register const int8_t *x __asm__("a0") = input;
    register int8_t *out __asm__("a2") = result;
    register int amount __asm__("a4") = shift;
    register int least __asm__("a5") = low;
    register int most __asm__("t3") = high;
    __asm__ volatile(
        "1:\n"
        PIE_LDQA_S8_128_IP(a0, 16)
        "addi %[vectors], %[vectors], -1\n"
        PIE_SRCMB_S8_QACC_RNE(q2, a4)
        P4C_IF_BOUNDED PIE_VSAT_S8(q2, q2, a5, t3) ".endif\n"
        PIE_VST_128_IP(q2, a2, 16)
        "bnez %[vectors], 1b\n"
        : "+&r"(x), "+&r"(out), [vectors] "+&r"(vectors)
        : "r"(amount), "r"(least), "r"(most), P4C_BOUNDED(low, high)
        : "memory");
}

/* One vector in q0, twice its value again and again: sums saturate, and what did so stays where it is. */
#define P4C_DOUBLE_AGAIN(i) ".if %[doublings] > " #i "\n" PIE_VADD_S8(q1, q1, q1) ".endif\n"
#define P4C_DOUBLE_VECTOR(load_next) \
    PIE_VADD_S8(q1, q0, q0) load_next \
    P4C_DOUBLE_AGAIN(1) P4C_DOUBLE_AGAIN(2) P4C_DOUBLE_AGAIN(3) P4C_DOUBLE_AGAIN(4) P4C_DOUBLE_AGAIN(5) P4C_DOUBLE_AGAIN(6) \
    P4C_IF_BOUNDED PIE_VSAT_S8(q1, q1, a5, t3) ".endif\n" PIE_VST_128_IP(q1, a2, 16)

/* x * 2^doublings, at least one; seven saturate every byte but 0. */
P4C_INLINE void p4c_pie_double(int vectors, const int8_t *input, int doublings, int low, int high, int8_t *result)
{
    register const int8_t *x __asm__("a0") = input;
    register int8_t *out __asm__("a2") = result;
    register int least __asm__("a5") = low;
    register int most __asm__("t3") = high;
    int count = vectors - 1;
    __asm__ volatile(
        PIE_VLD_128_IP(q0, a0, 16)
        ".if %[vectors] > 1\n"
        "1:\n"
        P4C_DOUBLE_VECTOR("addi %[count], %[count], -1\n" PIE_VLD_128_IP(q0, a0, 16))
        "bnez %[count], 1b\n"
        ".endif\n"
        P4C_DOUBLE_VECTOR("")
        : "+&r"(x), "+&r"(out), [count] "+&r"(count)
        : "r"(least), "r"(most), [vectors] "i"(vectors), [doublings] "i"(doublings), P4C_BOUNDED(low, high)
        : "memory");
}

P4C_INLINE void p4c_pie_clamp(int vectors, const int8_t *input, int low, int high, int8_t *result)
{
    register const int8_t *x __asm__("a0") = input;
    register int8_t *out __asm__("a2") = result;
    register int least __asm__("a5") = low;
    register int most __asm__("t3") = high;
    __asm__ volatile(
        "1:\n"
        PIE_VLD_128_IP(q0, a0, 16)
        "addi %[vectors], %[vectors], -1\n"
        PIE_VSAT_S8(q0, q0, a5, t3)
        PIE_VST_128_IP(q0, a2, 16)
        "bnez %[vectors], 1b\n"
        : "+&r"(x), "+&r"(out), [vectors] "+&r"(vectors)
        : "r"(least), "r"(most)
        : "memory");
}

#endif
