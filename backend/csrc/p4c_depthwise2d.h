/* Depthwise 2-D convolution of int8, channels-last, with requantization. */
#ifndef P4C_DEPTHWISE2D_H
#define P4C_DEPTHWISE2D_H

#include "p4c_kernel.h"

/* Shapes of one layer; in_x, in_y and out_x are distances between pixels and rows in bytes, output rows are dense. */
struct p4c_depthwise2d {
    int in_h, in_w, channels, in_x, in_y, in_z;
    int out_h, out_w, out_x;
    int kernel_h, kernel_w;
    int stride_h, stride_w;
    int pad_top, pad_left;
    int dilation_h, dilation_w;
    struct p4c_requantize requantize;
};

/* The scalar form.
 *
 * w        [ceil(channels / 16)][kernel_h][kernel_w][16], zeros beyond `channels`
 * bias, shifts, roundings   per channel, padded to a multiple of 16; the last two may be NULL
 * y        output pixels out_x apart; int8 or, raw, int32
 */
P4C_INLINE void p4c_depthwise2d_s8_ref(struct p4c_depthwise2d p, const int8_t *x, const int8_t *w, const int32_t *bias,
                                       const int8_t *shifts, const int8_t *roundings, void *y)
{
    for (int oy = 0; oy < p.out_h; oy++) {
        struct p4c_span rows = p4c_taps_inside(oy, p.stride_h, p.pad_top, p.dilation_h, p.kernel_h, p.in_h);
        for (int ox = 0; ox < p.out_w; ox++) {
            struct p4c_span columns = p4c_taps_inside(ox, p.stride_w, p.pad_left, p.dilation_w, p.kernel_w, p.in_w);
            for (int c = 0; c < p.channels; c++) {
                const int8_t *v = w + c / P4C_LANES * (p.kernel_h * p.kernel_w * P4C_LANES) + c % P4C_LANES;
                int32_t acc = bias[c];
                for (int ky = rows.first; ky < rows.last; ky++) {
                    int iy = oy * p.stride_h - p.pad_top + ky * p.dilation_h;
                    for (int kx = columns.first; kx < columns.last; kx++) {
                        int ix = ox * p.stride_w - p.pad_left + kx * p.dilation_w;
                        acc += x[iy * p.in_y + ix * p.in_x + c * p.in_z] * v[(ky * p.kernel_w + kx) * P4C_LANES];
                    }
                }
                p4c_store(p.requantize, shifts, roundings, acc, c, y, (oy * p.out_w + ox) * p.out_x + c);
            }
        }
    }
}

#if P4C_PIE
#include "p4c_depthwise2d_pie.h"
#endif

#endif
