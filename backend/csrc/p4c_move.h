/* Operations that move bytes and change none. */
#ifndef P4C_MOVE_H
#define P4C_MOVE_H

#include "p4c_kernel.h"

/* Up to four axes, outermost first; input_step[i] is the distance in x between neighbours along axis i of y. */
struct p4c_permute {
    int size[4];
    int input_step[4];
    int input_offset; /* where in x the first element of y stands */
    int padding; /* elements of y left as they are behind each run along the innermost axis */
};

/* Where element (a, b, c, d) of y stands in x. */
P4C_INLINE int p4c_permuted(struct p4c_permute p, int a, int b, int c, int d)
{
    return p.input_offset + a * p.input_step[0] + b * p.input_step[1] + c * p.input_step[2] + d * p.input_step[3];
}

/* y is written in order; transposes and changes of layout are permutations of x. */
P4C_INLINE void p4c_permute_s8_ref(struct p4c_permute p, const int8_t *x, int8_t *y)
{
    for (int a = 0; a < p.size[0]; a++)
        for (int b = 0; b < p.size[1]; b++)
            for (int c = 0; c < p.size[2]; c++, y += p.padding)
                for (int d = 0; d < p.size[3]; d++) *y++ = x[p4c_permuted(p, a, b, c, d)];
}

/* The same for words: accumulators that are an output. */
P4C_INLINE void p4c_permute_s32_ref(struct p4c_permute p, const int32_t *x, int32_t *y)
{
    for (int a = 0; a < p.size[0]; a++)
        for (int b = 0; b < p.size[1]; b++)
            for (int c = 0; c < p.size[2]; c++, y += p.padding)
                for (int d = 0; d < p.size[3]; d++) *y++ = x[p4c_permuted(p, a, b, c, d)];
}

#endif
