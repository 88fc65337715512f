/* Softmax of int8. */
#ifndef P4C_SOFTMAX_H
#define P4C_SOFTMAX_H

#include "p4c_kernel.h"

/* Row-major: `count` elements along the axis, `inner` apart; `outer` blocks of count * inner. */
struct p4c_softmax {
    int outer, count, inner;
    int bits;
    int qmin, qmax;
};

/* numerator / denominator, rounded half to even, but no more than 256; the denominator is below 2^55. */
P4C_INLINE int p4c_small_quotient(uint64_t numerator, uint64_t denominator)
{
    uint64_t step = denominator << 8;
    if (numerator >= step)
        return 256;
    int quotient = 0;
    for (int bit = 0; bit < 8; bit++) {
        step >>= 1;
        quotient <<= 1;
        if (numerator >= step) {
            numerator -= step;
            quotient++;
        }
    }
    return quotient + (2 * numerator > denominator || (2 * numerator == denominator && (quotient & 1)));
}

/* y = clamp(p * 2^bits / sum of p), p = table[max - x] in units of 2^-31: the exact quotient, rounded once. */
P4C_INLINE void p4c_softmax_s8_ref(struct p4c_softmax p, const int8_t *x, const uint32_t *table, int8_t *y)
{
    for (int o = 0; o < p.outer; o++, x += p.count * p.inner, y += p.count * p.inner)
        for (int i = 0; i < p.inner; i++) {
            int largest = INT8_MIN;
            for (int k = 0; k < p.count; k++) largest = p4c_max(largest, x[k * p.inner + i]);
            uint64_t sum = 0;
            for (int k = 0; k < p.count; k++) sum += table[largest - x[k * p.inner + i]];
            for (int k = 0; k < p.count; k++) {
                uint64_t power = (uint64_t)table[largest - x[k * p.inner + i]] << p.bits;
                y[k * p.inner + i] = (int8_t)p4c_clamp(p4c_small_quotient(power, sum), p.qmin, p.qmax);
            }
        }
}

#endif
