/* Products of two int8 tensors. */
#ifndef P4C_MUL_H
#define P4C_MUL_H

#include "p4c_walk.h"

struct p4c_mul {
    struct p4c_walk walk;
    int shift;
    int qmin, qmax;
};

/* result = clamp(x * y * 2^-shift), rounded half to even. `result` may be an operand that has its
 * size. */
P4C_INLINE void p4c_mul_s8_ref(struct p4c_mul p, const int8_t *x, const int8_t *y, int8_t *result)
{
    for (int a = 0; a < p.walk.size[0]; a++)
        for (int b = 0; b < p.walk.size[1]; b++)
            for (int c = 0; c < p.walk.size[2]; c++, result += p.walk.padding)
                for (int d = 0; d < p.walk.size[3]; d++) {
                    int u = x[p4c_walked(p.walk.x_step, a, b, c, d)];
                    int v = y[p4c_walked(p.walk.y_step, a, b, c, d)];
                    int32_t acc = u * v;
                    *result++ = (int8_t)p4c_clamp(p4c_shift_round(acc, p.shift, P4C_HALF_EVEN), p.qmin, p.qmax);
                }
}

#if P4C_PIE
#include "p4c_pie_repeated.h"

/* The PIE form without repetition; sizes are multiples of 16 bytes. */
P4C_INLINE void p4c_mul_s8(struct p4c_mul p, const int8_t *x, const int8_t *y, int8_t *result)
{
    p4c_pie_begin(P4C_HALF_EVEN);
    p4c_pie_mul(p.walk.size[3] / P4C_LANES, x, y, p.shift, p.qmin, p.qmax, result);
}

/* The PIE form where one operand is a run that is repeated; runs, padding included, are multiples of 16 bytes. */
P4C_INLINE void p4c_mul_repeated_s8(struct p4c_mul p, const int8_t *x, const int8_t *y, int8_t *result)
{
    int run = p.walk.size[3] + p.walk.padding, first = p.walk.x_step[2] == 0;
    p4c_pie_begin(P4C_HALF_EVEN);
    p4c_pie_repeat(P4C_TIMES, run, p.walk.size[2], first ? y : x, first ? x : y, NULL, p.shift, p.qmin, p.qmax, result);
}
#endif

#endif
