/* Elementwise operations on int8. */
#ifndef P4C_ELEMENTWISE_H
#define P4C_ELEMENTWISE_H

#include "p4c_kernel.h"

struct p4c_clamp {
    int elements;
    int qmin, qmax;
};

/* y = min(max(x, qmin), qmax); y may be x. */
P4C_INLINE void p4c_clamp_s8_ref(struct p4c_clamp p, const int8_t *x, int8_t *y)
{
    for (int i = 0; i < p.elements; i++) y[i] = (int8_t)p4c_clamp(x[i], p.qmin, p.qmax);
}

struct p4c_rescale {
    int elements;
    int shift;
    int qmin, qmax;
};

/* y = clamp(x * 2^-shift), rounded half to even: from one power-of-two grid to another; y may be x. */
P4C_INLINE void p4c_requantize_s8_ref(struct p4c_rescale p, const int8_t *x, int8_t *y)
{
    for (int i = 0; i < p.elements; i++)
        y[i] = (int8_t)p4c_clamp(p4c_shift_round(x[i], p.shift, P4C_HALF_EVEN), p.qmin, p.qmax);
}

#if P4C_PIE
#include "p4c_pie_elementwise.h"

/* The PIE forms: sizes are multiples of 16 bytes; y may be x. */
P4C_INLINE void p4c_clamp_s8(struct p4c_clamp p, const int8_t *x, int8_t *y)
{
    p4c_pie_clamp(p.elements / P4C_LANES, x, p.qmin, p.qmax, y);
}

P4C_INLINE void p4c_requantize_s8(struct p4c_rescale p, const int8_t *x, int8_t *y)
{
    if (p.shift < 0) {
        p4c_pie_double(p.elements / P4C_LANES, x, p4c_min(-p.shift, 7), p.qmin, p.qmax, y);
        return;
    }
    p4c_pie_begin(P4C_HALF_EVEN);
    p4c_pie_requantize(p.elements / P4C_LANES, x, p.shift, p.qmin, p.qmax, y);
}
#endif

#endif
