/* Putting tensors together: bytes are moved and none is changed. */
#ifndef P4C_PARTS_H
#define P4C_PARTS_H

#include "p4c_kernel.h"

/* The most tensors of one concat. */
#define P4C_PARTS 16

/* y is `rows` rows of `row` bytes; from part i, whose rows are step[i] apart, each takes run[i] bytes. */
struct p4c_concat {
    int parts, rows, row;
    int run[P4C_PARTS], step[P4C_PARTS];
};

P4C_INLINE void p4c_concat_s8_ref(struct p4c_concat p, const void *const *x, int8_t *y)
{
    for (int i = 0; i < p.parts; y += p.run[i], i++)
        for (int r = 0; r < p.rows; r++)
            for (int b = 0; b < p.run[i]; b++) y[r * p.row + b] = ((const int8_t *)x[i])[r * p.step[i] + b];
}

/* Up to four axes as they lie in y: its sizes, the padding in front, and sizes and steps of x. */
struct p4c_pad {
    int size[4], front[4];
    int input_size[4], input_step[4];
    int padding; /* elements of y left as they are behind each run along the innermost axis */
    int fill;
};

P4C_INLINE int p4c_pad_inside(struct p4c_pad p, int axis, int at)
{
    return at >= p.front[axis] && at < p.front[axis] + p.input_size[axis];
}

P4C_INLINE void p4c_pad_s8_ref(struct p4c_pad p, const int8_t *x, int8_t *y)
{
    for (int a = 0; a < p.size[0]; a++)
        for (int b = 0; b < p.size[1]; b++)
            for (int c = 0; c < p.size[2]; c++, y += p.padding) {
                int inside = p4c_pad_inside(p, 0, a) && p4c_pad_inside(p, 1, b) && p4c_pad_inside(p, 2, c);
                int at = (a - p.front[0]) * p.input_step[0] + (b - p.front[1]) * p.input_step[1] +
                         (c - p.front[2]) * p.input_step[2] - p.front[3] * p.input_step[3];
                for (int d = 0; d < p.size[3]; d++)
                    *y++ = inside && p4c_pad_inside(p, 3, d) ? x[at + d * p.input_step[3]] : (int8_t)p.fill;
            }
}

#endif
