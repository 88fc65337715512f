/* 2-D convolution of int8, NHWC, with requantization and an optional fused max-pool. */
#ifndef P4C_CONV2D_H
#define P4C_CONV2D_H

#include "p4c_kernel.h"
#include "p4c_pool.h"

/* Shapes of one layer. out_h and out_w are those of the convolution, before the pool.
 *
 * in_x and in_y are the distances between neighbouring input pixels and rows in bytes, in_z between channels: 1 for
 * channels-last inputs, in_h * in_w for the planar input of a network. out_x is the distance between output pixels.
 */
struct p4c_conv2d {
    int in_h, in_w, in_c;
    int in_x, in_y, in_z;
    int out_h, out_w, out_c, out_x;
    int kernel_h, kernel_w;
    int stride_h, stride_w;
    int pad_top, pad_left;
    int dilation_h, dilation_w;
    int tile, pairs, rest; /* only for the PIE form, where they are explained */
    int pool_h, pool_w, pool_stride_h, pool_stride_w;
    struct p4c_requantize requantize;
};

/* Where a row of output pixels reads: kernel rows ky0..ky1 lie inside the image. */
struct p4c_conv2d_row {
    const int8_t *x; /* the input row under kernel row 0, which may lie above the image */
    int ky0, ky1;
};

P4C_INLINE struct p4c_conv2d_row p4c_conv2d_row_of(struct p4c_conv2d p, int oy, const int8_t *x)
{
    struct p4c_span rows = p4c_taps_inside(oy, p.stride_h, p.pad_top, p.dilation_h, p.kernel_h, p.in_h);
    return (struct p4c_conv2d_row){x + (oy * p.stride_h - p.pad_top) * p.in_y, rows.first, rows.last};
}

/* Four output channels of `pixels` neighbouring output pixels, kernel columns kx0..kx1, all inside the image.
 *
 * Four by four needs 16 accumulators and 8 operands, all in registers: half a load per multiply-accumulate.
 * `w` points at the channels' first lane: [kernel_h][kernel_w][in_c][P4C_LANES].
 */
P4C_INLINE void p4c_conv2d_tile(struct p4c_conv2d p, int pixels, struct p4c_conv2d_row row, int ox, int kx0, int kx1,
                                const int8_t *w, const int32_t *bias, const int8_t *shifts, const int8_t *roundings,
                                int channel, void *y)
{
    int32_t acc[4][4];
    P4C_UNROLL for (int i = 0; i < pixels; i++)
        P4C_UNROLL for (int j = 0; j < 4; j++) acc[i][j] = bias[channel + j];

    /* Dense channels without dilation: the taps of a kernel row are one run of contiguous input bytes. */
    int dense = p.dilation_w == 1 && p.in_z == 1 && p.in_x == p.in_c;
    int runs = dense ? 1 : kx1 - kx0;
    int length = dense ? (kx1 - kx0) * p.in_c : p.in_c;
    int step = p.stride_w * p.in_x;
    for (int ky = row.ky0; ky < row.ky1; ky++) {
        const int8_t *x = row.x + ky * p.dilation_h * p.in_y + (ox * p.stride_w - p.pad_left + kx0 * p.dilation_w) * p.in_x;
        const int8_t *v = w + (ky * p.kernel_w + kx0) * p.in_c * P4C_LANES;
        for (int run = 0; run < runs; run++, x += p.dilation_w * p.in_x) {
            for (int k = 0; k < length; k++, v += P4C_LANES) {
                P4C_UNROLL for (int i = 0; i < pixels; i++)
                    P4C_UNROLL for (int j = 0; j < 4; j++) acc[i][j] += x[i * step + k * p.in_z] * v[j];
            }
        }
    }
    P4C_UNROLL for (int i = 0; i < pixels; i++)
        P4C_UNROLL for (int j = 0; j < 4; j++)
            if (channel + j < p.out_c)
                p4c_store(p.requantize, shifts, roundings, acc[i][j], channel + j, y, (ox + i) * p.out_x + channel + j);
}

/* One output pixel at the left or right border, where kernel columns are cut off. */
P4C_INLINE void p4c_conv2d_border(struct p4c_conv2d p, struct p4c_conv2d_row row, int ox, const int8_t *w,
                                  const int32_t *bias, const int8_t *shifts, const int8_t *roundings, int channel, void *y)
{
    struct p4c_span columns = p4c_taps_inside(ox, p.stride_w, p.pad_left, p.dilation_w, p.kernel_w, p.in_w);
    p4c_conv2d_tile(p, 1, row, ox, columns.first, columns.last, w, bias, shifts, roundings, channel, y);
}

/* Output row oy, all channels, to y. */
P4C_INLINE void p4c_conv2d_row(struct p4c_conv2d p, int oy, const int8_t *x, const int8_t *w, const int32_t *bias,
                               const int8_t *shifts, const int8_t *roundings, void *y)
{
    struct p4c_conv2d_row row = p4c_conv2d_row_of(p, oy, x);
    struct p4c_span inner =
        p4c_whole_kernels(p.out_w, p.stride_w, p.pad_left, p.dilation_w, p.kernel_w, p.in_w);
    for (int channel = 0; channel < p.out_c; channel += 4) {
        const int8_t *v = w + channel / P4C_LANES * (p.kernel_h * p.kernel_w * p.in_c * P4C_LANES) + channel % P4C_LANES;
        int ox = 0;
        for (; ox < inner.first; ox++)
            p4c_conv2d_border(p, row, ox, v, bias, shifts, roundings, channel, y);
        for (; ox + 4 <= inner.last; ox += 4)
            p4c_conv2d_tile(p, 4, row, ox, 0, p.kernel_w, v, bias, shifts, roundings, channel, y);
        for (; ox < p.out_w; ox++)
            p4c_conv2d_border(p, row, ox, v, bias, shifts, roundings, channel, y);
    }
}

/* The max-pool behind `rows` rows of the convolution, `channels` channels of each pixel, out_x bytes apart. */
P4C_INLINE struct p4c_pool p4c_conv2d_pool(struct p4c_conv2d p, int channels, int in_x)
{
    return (struct p4c_pool){
        .in_h = p.pool_h, .in_w = p.out_w, .channels = channels, .in_x = in_x, .in_y = p.out_w * in_x,
        .out_h = 1, .out_w = (p.out_w - p.pool_w) / p.pool_stride_w + 1, .out_x = p.out_x,
        .kernel_h = p.pool_h, .kernel_w = p.pool_w, .stride_h = 1, .stride_w = p.pool_stride_w,
    };
}

P4C_INLINE int p4c_conv2d_pools(struct p4c_conv2d p)
{
    return p.pool_h != 1 || p.pool_w != 1 || p.pool_stride_h != 1 || p.pool_stride_w != 1;
}

/* The scalar form.
 *
 * x        input pixels as in_x, in_y and in_z say
 * w        [ceil(out_c / 16)][kernel_h][kernel_w][in_c][16], zeros beyond out_c
 * bias, shifts, roundings   per output channel, padded to a multiple of 16; the last two may be NULL
 * y        output pixels out_x apart, rows dense; int8 or, raw, int32 (out_x then counts elements)
 * scratch  [pool_h][out_w][out_x] where there is a pool, otherwise unused
 */
P4C_INLINE void p4c_conv2d_s8_ref(struct p4c_conv2d p, const int8_t *x, const int8_t *w, const int32_t *bias,
                                  const int8_t *shifts, const int8_t *roundings, void *y, int8_t *scratch)
{
    int size = p.requantize.raw ? 4 : 1;
    if (!p4c_conv2d_pools(p)) {
        for (int oy = 0; oy < p.out_h; oy++)
            p4c_conv2d_row(p, oy, x, w, bias, shifts, roundings, (int8_t *)y + oy * p.out_w * p.out_x * size);
        return;
    }
    struct p4c_pool pool = p4c_conv2d_pool(p, p.out_c, p.out_x);
    int pooled_h = (p.out_h - p.pool_h) / p.pool_stride_h + 1;
    for (int py = 0; py < pooled_h; py++) {
        for (int r = 0; r < p.pool_h; r++)
            p4c_conv2d_row(p, py * p.pool_stride_h + r, x, w, bias, shifts, roundings, scratch + r * p.out_w * p.out_x);
        p4c_max_pool_s8_ref((struct p4c_max_pool){pool, 1, 1}, scratch, (int8_t *)y + py * pool.out_w * p.out_x);
    }
}

#if P4C_PIE
#include "p4c_conv2d_first_pie.h"
#include "p4c_conv2d_pie.h"
#include "p4c_conv2d_planar_pie.h"
#endif

#endif
