/* PIE loops over pixels with one vector of the second operand for all of them: gates, biases, sums along channels.
 *
 * A call takes up to four neighbouring vectors of every pixel, a cache line's worth. Their counterparts stay in q4-q7,
 * so a vector is one load, three instructions of arithmetic and one store. The result may be the first operand's memory.
 */
#ifndef P4C_PIE_REPEATED_H
#define P4C_PIE_REPEATED_H

#include "p4c_pie_elementwise.h"

#define P4C_REPEATED_GROUP 4

/* What becomes of a vector x and its repeated counterpart y. */
enum p4c_pie_repeated_kind { P4C_TIMES /* x * y */, P4C_PLUS_SCALED /* x + y * factor */, P4C_SCALED_PLUS /* x * factor + y */ };

#define P4C_BY_KIND(times, plus_scaled, scaled_plus) \
    ".if %[kind] == 0\n" times ".elseif %[kind] == 1\n" plus_scaled ".else\n" scaled_plus ".endif\n"

/* Vector i of the group: x in `x`, which takes the result, y in `y`, the factor in q3. `store_last` and `load_next` stand
 * where the read-out in front of the one and the arithmetic behind the other would be waited for. */
#define P4C_REPEATED_VECTOR(i, x, y, store_last, load_next) \
    ".if %[group] > " #i "\n" \
    P4C_BY_KIND(PIE_ZERO_QACC(), PIE_MOV_S8_QACC(x), PIE_MOV_S8_QACC(y)) \
    store_last \
    P4C_BY_KIND(PIE_VMULAS_S8_QACC(x, y), PIE_VMULAS_S8_QACC(y, q3), PIE_VMULAS_S8_QACC(x, q3)) \
    ".if %[group] > " #i " + 1\n" load_next ".endif\n" \
    PIE_SRCMB_S8_QACC_RNE(x, a4) \
    ".if %[group] == " #i " + 1\n" "addi %[count], %[count], -1\n" P4C_REPEATED_STORE(x, PIE_VST_128_XP(x, a2, t4)) ".endif\n" \
    ".endif\n"
#define P4C_REPEATED_STORE(x, store) P4C_IF_BOUNDED PIE_VSAT_S8(x, x, a5, t3) ".endif\n" store
#define P4C_REPEATED_STORE_LAST(x) P4C_REPEATED_STORE(x, PIE_VST_128_IP(x, a2, 16))

/* The last load and store of a pixel lead to the next one, t4 bytes on. */
#define P4C_REPEATED_LOAD(i, x) \
    ".if %[group] == " #i " + 1\n" PIE_VLD_128_XP(x, a0, t4) ".else\n" PIE_VLD_128_IP(x, a0, 16) ".endif\n"

/* `group` vectors of each pixel, pixels `step` bytes apart; `group`, `kind` and the bounds are constants. */
P4C_INLINE void p4c_pie_repeated(enum p4c_pie_repeated_kind kind, int group, int pixels, int step, const int8_t *first,
                                 const int8_t *second, const int8_t *factor, int shift, int low, int high, int8_t *result)
{
    register const int8_t *x __asm__("a0") = first;
    register const int8_t *y __asm__("a1") = second;
    register int8_t *out __asm__("a2") = result;
    register const int8_t *f __asm__("a3") = factor;
    register int amount __asm__("a4") = shift;
    register int least __asm__("a5") = low;
    register int most __asm__("t3") = high;
    register int next __asm__("t4") = step - P4C_LANES * (group - 1);
    __asm__ volatile(
        P4C_BY_KIND("", PIE_VLDBC_8_IP(q3, a3, 0), PIE_VLDBC_8_IP(q3, a3, 0))
        PIE_VLD_128_IP(q4, a1, 16)
        ".if %[group] > 1\n" PIE_VLD_128_IP(q5, a1, 16) ".endif\n"
        ".if %[group] > 2\n" PIE_VLD_128_IP(q6, a1, 16) ".endif\n"
        ".if %[group] > 3\n" PIE_VLD_128_IP(q7, a1, 16) ".endif\n"
        "1:\n"
        P4C_REPEATED_LOAD(0, q0)
        P4C_REPEATED_VECTOR(0, q0, q4, "", P4C_REPEATED_LOAD(1, q1))
        P4C_REPEATED_VECTOR(1, q1, q5, P4C_REPEATED_STORE_LAST(q0), P4C_REPEATED_LOAD(2, q2))
        P4C_REPEATED_VECTOR(2, q2, q6, P4C_REPEATED_STORE_LAST(q1), P4C_REPEATED_LOAD(3, q0))
        P4C_REPEATED_VECTOR(3, q0, q7, P4C_REPEATED_STORE_LAST(q2), "")
        "bnez %[count], 1b\n"
        : "+&r"(x), "+&r"(y), "+&r"(out), "+&r"(f), [count] "+&r"(pixels)
        : "r"(amount), "r"(least), "r"(most), "r"(next), [kind] "i"(kind), [group] "i"(group), P4C_BOUNDED(low, high)
        : "memory");
}

/* All `run` bytes of each pixel, a multiple of 16, one group of vectors after the other. */
P4C_INLINE void p4c_pie_repeat(enum p4c_pie_repeated_kind kind, int run, int pixels, const int8_t *x, const int8_t *y,
                               const int8_t *factor, int shift, int low, int high, int8_t *result)
{
    int whole = run / (P4C_REPEATED_GROUP * P4C_LANES) * (P4C_REPEATED_GROUP * P4C_LANES);
    P4C_ROLLED for (int at = 0; at < whole; at += P4C_REPEATED_GROUP * P4C_LANES)
        p4c_pie_repeated(kind, P4C_REPEATED_GROUP, pixels, run, x + at, y + at, factor, shift, low, high, result + at);
    if (run > whole)
        p4c_pie_repeated(kind, (run - whole) / P4C_LANES, pixels, run, x + whole, y + whole, factor, shift, low, high,
                         result + whole);
}

#endif
