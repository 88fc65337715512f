/* Sums and differences of two int8 tensors. */
#ifndef P4C_ADD_H
#define P4C_ADD_H

#include "p4c_walk.h"

struct p4c_add {
    struct p4c_walk walk;
    int x_factor, y_factor; /* |factor| <= 2^15, negative to subtract */
    int shift;
    int qmin, qmax;
};

/* result = clamp((x * x_factor + y * y_factor) * 2^-shift), rounded half to even: the factors bring both operands onto
 * one grid. `result` may be an operand that has its size. */
P4C_INLINE void p4c_add_s8_ref(struct p4c_add p, const int8_t *x, const int8_t *y, int8_t *result)
{
    for (int a = 0; a < p.walk.size[0]; a++)
        for (int b = 0; b < p.walk.size[1]; b++)
            for (int c = 0; c < p.walk.size[2]; c++, result += p.walk.padding)
                for (int d = 0; d < p.walk.size[3]; d++) {
                    int u = x[p4c_walked(p.walk.x_step, a, b, c, d)];
                    int v = y[p4c_walked(p.walk.y_step, a, b, c, d)];
                    int32_t acc = u * p.x_factor + v * p.y_factor;
                    *result++ = (int8_t)p4c_clamp(p4c_shift_round(acc, p.shift, P4C_HALF_EVEN), p.qmin, p.qmax);
                }
}

#if P4C_PIE
#include "p4c_pie_repeated.h"

/* The PIE form without repetition: one factor is 1 and the other fits a byte; sizes are multiples of 16 bytes. */
P4C_INLINE void p4c_add_s8(struct p4c_add p, const int8_t *x, const int8_t *y, int8_t *result)
{
    p4c_pie_begin(P4C_HALF_EVEN);
    int8_t factor = (int8_t)(p.x_factor == 1 ? p.y_factor : p.x_factor);
    if (p.x_factor == 1)
        p4c_pie_add(p.walk.size[3] / P4C_LANES, x, y, &factor, p.shift, p.qmin, p.qmax, result);
    else
        p4c_pie_add(p.walk.size[3] / P4C_LANES, y, x, &factor, p.shift, p.qmin, p.qmax, result);
}

/* The PIE form where one operand is a run that is repeated: one factor is 1 and the other fits a byte; runs, padding
 * included, are multiples of 16 bytes. */
P4C_INLINE void p4c_add_repeated_s8(struct p4c_add p, const int8_t *x, const int8_t *y, int8_t *result)
{
    int run = p.walk.size[3] + p.walk.padding, first = p.walk.x_step[2] == 0;
    int8_t factor = (int8_t)(p.x_factor == 1 ? p.y_factor : p.x_factor);
    p4c_pie_begin(P4C_HALF_EVEN);
    if ((p.x_factor == 1) != first)
        p4c_pie_repeat(P4C_PLUS_SCALED, run, p.walk.size[2], first ? y : x, first ? x : y, &factor, p.shift, p.qmin, p.qmax,
                       result);
    else
        p4c_pie_repeat(P4C_SCALED_PLUS, run, p.walk.size[2], first ? y : x, first ? x : y, &factor, p.shift, p.qmin, p.qmax,
                       result);
}
#endif

#endif
