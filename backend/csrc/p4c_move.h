/* Operations that move bytes and change none. */
#ifndef P4C_MOVE_H
#define P4C_MOVE_H

#include "p4c_kernel.h"

/* Up to six axes, outermost first; input_step[i] is the distance in x between neighbours along axis i of y. */
struct p4c_permute {
    int size[6];
    int input_step[6];
    int input_offset; /* where in x the first element of y stands */
    int padding; /* elements of y left as they are behind each run along the innermost axis */
};

/* Where element (a, b, c, d, e, f) of y stands in x. */
P4C_INLINE int p4c_permuted(struct p4c_permute p, int a, int b, int c, int d, int e, int f)
{
    return p.input_offset + a * p.input_step[0] + b * p.input_step[1] + c * p.input_step[2] + d * p.input_step[3] +
           e * p.input_step[4] + f * p.input_step[5];
}

/* y is written in order; transposes and changes of layout are permutations of x. */
#define P4C_PERMUTE(p, x, y) \
    for (int a = 0; a < (p).size[0]; a++) \
        for (int b = 0; b < (p).size[1]; b++) \
            for (int c = 0; c < (p).size[2]; c++) \
                for (int d = 0; d < (p).size[3]; d++) \
                    for (int e = 0; e < (p).size[4]; e++, (y) += (p).padding) \
                        for (int f = 0; f < (p).size[5]; f++) *(y)++ = (x)[p4c_permuted(p, a, b, c, d, e, f)]

P4C_INLINE void p4c_permute_s8_ref(struct p4c_permute p, const int8_t *x, int8_t *y)
{
    P4C_PERMUTE(p, x, y);
}

/* The same for words: accumulators that are an output. */
P4C_INLINE void p4c_permute_s32_ref(struct p4c_permute p, const int32_t *x, int32_t *y)
{
    P4C_PERMUTE(p, x, y);
}

#if P4C_PIE
#include "p4c_pie_move.h"
#include "p4c_transpose_pie.h"

/* The PIE form where the innermost axis is one run of bytes in x too: runs in y begin at multiples of 16 bytes, and runs
 * in x all at the same distance from one. */
P4C_INLINE void p4c_permute_rows_s8(struct p4c_permute p, const int8_t *x, int8_t *y)
{
    int pitch = p.size[5] + p.padding;
    for (int a = 0; a < p.size[0]; a++)
        for (int b = 0; b < p.size[1]; b++)
            for (int c = 0; c < p.size[2]; c++)
                for (int d = 0; d < p.size[3]; d++, y += p.size[4] * pitch)
                    p4c_pie_move_rows(p.size[4], p.size[5], x + p4c_permuted(p, a, b, c, d, 0, 0), p.input_step[4],
                                      p.input_offset % P4C_LANES, y, pitch, 0);
}

/* A matrix of bytes: in_step from row to row of x, out_step from column to column, which are the rows of y. */
struct p4c_transpose {
    int rows, columns;
    int in_step, out_step;
};

/* The PIE form of a permutation that is a transpose: x is aligned to 16 bytes and so is in_step, y and out_step to 8.
 * What fills no block of 8 by 16 goes byte by byte. */
P4C_INLINE void p4c_transpose_s8(struct p4c_transpose p, const int8_t *x, int8_t *y)
{
    int rows = p.rows / 8 * 8, columns = p.columns / P4C_LANES * P4C_LANES;
    for (int i = 0; i < rows; i += 8)
        for (int j = 0; j < columns; j += P4C_LANES)
            p4c_pie_transpose(x + i * p.in_step + j, p.in_step, y + j * p.out_step + i, p.out_step);
    for (int i = 0; i < p.rows; i++)
        for (int j = i < rows ? columns : 0; j < p.columns; j++) y[j * p.out_step + i] = x[i * p.in_step + j];
}
#endif

#endif
