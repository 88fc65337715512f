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

#if P4C_PIE
#include "p4c_pie_move.h"

/* The PIE form: rows of y and of all parts begin at multiples of 16 bytes. A part overwrites what the one in front of it
 * has written too much, and behind the last one is padding. */
P4C_INLINE void p4c_concat_s8(struct p4c_concat p, const void *const *x, int8_t *y)
{
    int at = 0;
    P4C_UNROLL for (int i = 0; i < p.parts; at += p.run[i], i++)
        p4c_pie_move_rows(p.rows, p.run[i], x[i], p.step[i], 0, y + at, p.row, at % P4C_LANES);
}
#endif

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

#if P4C_PIE
/* The PIE form: rows along the innermost axis begin at multiples of 16 bytes in x and y, and x fills whole vectors of one,
 * or all of it but the padding behind. Everything is filled first. */
P4C_INLINE void p4c_pad_s8(struct p4c_pad p, const int8_t *x, int8_t *y)
{
    int pitch = p.size[3] + p.padding;
    p4c_pie_fill(p.size[0] * p.size[1] * p.size[2] * pitch / P4C_LANES, p.fill, y);
    for (int a = 0; a < p.input_size[0]; a++)
        for (int b = 0; b < p.input_size[1]; b++) {
            int row = ((a + p.front[0]) * p.size[1] + b + p.front[1]) * p.size[2] + p.front[2];
            p4c_pie_move_rows(p.input_size[2], p.input_size[3], x + a * p.input_step[0] + b * p.input_step[1],
                              p.input_step[2], 0, y + row * pitch + p.front[3], pitch, 0);
        }
}
#endif

#endif
