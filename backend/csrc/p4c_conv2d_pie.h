/* The PIE form of the convolution, included by p4c_conv2d.h. */
#ifndef P4C_CONV2D_PIE_H
#define P4C_CONV2D_PIE_H

#include "p4c_pie_conv.h"

/* One block of 16 channels of one layer: its weights, bias and shifts. Of the `rest` it is one channel. */
struct p4c_conv2d_block {
    int rest;
    const int8_t *w;
    const int32_t *bias;
    const int8_t *shifts, *roundings;
};

#include "p4c_conv2d_rest_pie.h"

/* Up to this many taps are unrolled per trip of a loop: 16 of 72 bytes are about a kilobyte. */
#define P4C_MAX_TAPS 16

/* How kernel columns kx0..kx1 of a layer are read; all of it is constant.
 *
 * A group is what lies without a gap: a pixel's channels, or, where pixels are dense, the whole kernel row.
 */
P4C_INLINE struct p4c_pie_run p4c_conv2d_pie_run_of(struct p4c_conv2d p, int kx0, int kx1, int out_x)
{
    int unaligned = p.in_x % P4C_LANES != 0;
    int columns = kx1 - kx0, whole_row = unaligned && p.dilation_w == 1;
    int bytes = whole_row ? columns * p.in_c : p.in_c, groups = whole_row ? 1 : columns;
    int full = bytes / P4C_LANES, part = bytes % P4C_LANES;
    int taps = full + (part != 0), distance = whole_row ? columns * p.in_x : p.dilation_w * p.in_x;
    struct p4c_pie_run r = {
        .unaligned = unaligned, .pairs = p.pairs,
        .unroll = 1, .loops = 1, .repeats = groups, .full = full, .part = part,
        .skip = distance - (taps + unaligned) * P4C_LANES,
        .row_step = p.dilation_h * p.in_y - groups * distance,
        .weight_step = (p.kernel_w - columns) * p.in_c * P4C_LANES,
        .pixel_step = p.stride_w * p.in_x,
        .output_step = out_x,
    };
    if (groups == 1) {
        r.row_step += r.skip;
        r.skip = 0;
    }
    if (groups * taps <= P4C_MAX_TAPS || unaligned)
        return r;
    if (part == 0 && r.skip == 0) {
        /* One run of whole vectors: trips of the largest number of taps that divides it. */
        int vectors = groups * full, trip = P4C_MAX_TAPS;
        P4C_UNROLL for (int n = 2; n <= P4C_MAX_TAPS; n++)
            if (vectors % n == 0) trip = n;
        r.full = vectors % trip == 0 ? trip : 1;
        r.repeats = 1;
        r.loops = vectors / r.full;
    } else {
        r.loops = groups;
        r.repeats = 1;
    }
    return r;
}

/* `count` pixels from column ox on that all see kernel columns kx0..kx1 of rows ky0..ky1. */
P4C_INLINE void p4c_conv2d_pie_pixels(struct p4c_conv2d p, struct p4c_conv2d_block block, struct p4c_conv2d_row row, int ox,
                                      int kx0, int kx1, int count, int8_t *y, int out_x)
{
    if (block.rest) {
        p4c_conv2d_rest_pixels(p, block, row, ox, kx0, kx1, count, y, out_x);
        return;
    }
    const int8_t *x = row.x + row.ky0 * p.dilation_h * p.in_y + (ox * p.stride_w - p.pad_left + kx0 * p.dilation_w) * p.in_x;
    const int8_t *w = block.w + (row.ky0 * p.kernel_w + kx0) * p.in_c * P4C_LANES;
    struct p4c_pie_run r = p4c_conv2d_pie_run_of(p, kx0, kx1, out_x);
    int taps = p.kernel_h * r.repeats * (r.full + (r.part != 0));
    if (p.kernel_h == 1 && p.kernel_w == 1 && r.loops == 1 && r.part == 0 && r.full > 0 && !r.unaligned &&
        !p.requantize.mixed)
        p4c_pie_pointwise_run(r, p.requantize, block.shifts, count, x, w, block.bias, y + ox * out_x);
    else if (row.ky1 - row.ky0 == p.kernel_h && r.loops == 1 && taps <= P4C_MAX_TAPS) {
        /* Without a loop over kernel rows no branch is mispredicted. */
        r.unroll = p.kernel_h;
        p4c_pie_conv_run(r, p.requantize, block.shifts, block.roundings, p.kernel_h, count, x, w, block.bias, y + ox * out_x);
    } else
        p4c_pie_conv_run(r, p.requantize, block.shifts, block.roundings, row.ky1 - row.ky0, count, x, w, block.bias,
                         y + ox * out_x);
}

/* Column ox, where the image's left or right border cuts kernel columns off; ox must be constant. */
P4C_INLINE void p4c_conv2d_pie_border(struct p4c_conv2d p, struct p4c_conv2d_block block, struct p4c_conv2d_row row, int ox,
                                      int8_t *y, int out_x)
{
    struct p4c_span columns = p4c_taps_inside(ox, p.stride_w, p.pad_left, p.dilation_w, p.kernel_w, p.in_w);
    p4c_conv2d_pie_pixels(p, block, row, ox, columns.first, columns.last, 1, y, out_x);
}

/* Output row oy of one block. Border columns are written out because each needs kernel columns that are constants. */
P4C_INLINE void p4c_conv2d_pie_row(struct p4c_conv2d p, struct p4c_conv2d_block block, int oy, const int8_t *x, int8_t *y,
                                   int out_x)
{
    struct p4c_conv2d_row row = p4c_conv2d_row_of(p, oy, x);
    struct p4c_span inner =
        p4c_whole_kernels(p.out_w, p.stride_w, p.pad_left, p.dilation_w, p.kernel_w, p.in_w);
    if (inner.first > 0) p4c_conv2d_pie_border(p, block, row, 0, y, out_x);
    if (inner.first > 1) p4c_conv2d_pie_border(p, block, row, 1, y, out_x);
    if (inner.first > 2) p4c_conv2d_pie_border(p, block, row, 2, y, out_x);
    if (inner.first > 3) p4c_conv2d_pie_border(p, block, row, 3, y, out_x);
    if (inner.last > inner.first)
        p4c_conv2d_pie_pixels(p, block, row, inner.first, 0, p.kernel_w, inner.last - inner.first, y, out_x);
    if (p.out_w - inner.last > 3) p4c_conv2d_pie_border(p, block, row, p.out_w - 4, y, out_x);
    if (p.out_w - inner.last > 2) p4c_conv2d_pie_border(p, block, row, p.out_w - 3, y, out_x);
    if (p.out_w - inner.last > 1) p4c_conv2d_pie_border(p, block, row, p.out_w - 2, y, out_x);
    if (p.out_w - inner.last > 0) p4c_conv2d_pie_border(p, block, row, p.out_w - 1, y, out_x);
}

/* All pixels of one block in rows top to bottom, the last not included; all rows where a pool follows. */
P4C_INLINE void p4c_conv2d_pie_channels(struct p4c_conv2d p, struct p4c_conv2d_block block, int top, int bottom,
                                        const int8_t *x, int8_t *out, int8_t *scratch)
{
    if (!p4c_conv2d_pools(p)) {
        P4C_ROLLED for (int oy = top; oy < bottom; oy++)
            p4c_conv2d_pie_row(p, block, oy, x, out + oy * p.out_w * p.out_x, p.out_x);
        return;
    }
    struct p4c_pool pool = p4c_conv2d_pool(p, P4C_LANES, P4C_LANES);
    int pooled_h = (p.out_h - p.pool_h) / p.pool_stride_h + 1;
    P4C_ROLLED for (int py = 0; py < pooled_h; py++) {
        P4C_ROLLED for (int r = 0; r < p.pool_h; r++)
            p4c_conv2d_pie_row(p, block, py * p.pool_stride_h + r, x, scratch + r * p.out_w * P4C_LANES, P4C_LANES);
        p4c_max_pool_s8((struct p4c_max_pool){pool, 1, 1}, scratch, out + py * pool.out_w * p.out_x);
    }
}

/* The PIE form: as the scalar one, and output pixels and weights are aligned to 16 bytes, input pixels are so too or
 * dense (in_x = in_c), at most four columns at either side see a clipped kernel, and each of them sees some of it.
 * Up to 31 bytes behind an unaligned input are read.
 *
 * `pairs`: an output pixel is two of at most eight channels each, and the kernel is the union of theirs; see
 * backend/convolution_kernels.py.
 *
 * `rest`: where there is no pool, that many output channels, the last ones, are not packed in a block but summed one by one. Their weights,
 * [rest][kernel_h][kernel_w][in_x], follow those of the blocks, and so do their biases, as 64-bit integers.
 *
 * The weights of a block of 16 channels stay in the L1 cache while it goes over the rows of a `tile`; then the next block
 * does. Where the tile is all rows, weights are read from memory once.
 */
P4C_INLINE void p4c_conv2d_s8(struct p4c_conv2d p, const int8_t *x, const int8_t *w, const int32_t *bias,
                                  const int8_t *shifts, const int8_t *roundings, void *y, int8_t *scratch)
{
    p4c_pie_begin(p.requantize.rounding);
    for (int top = 0; top < p.out_h; top += p.tile) {
        int bottom = p4c_min(top + p.tile, p.out_h);
        int8_t *out = y;
        struct p4c_conv2d_block block = {0, w, bias, shifts, roundings};
        P4C_ROLLED for (int channel = 0; channel < p.out_c - p.rest; channel += P4C_LANES, out += P4C_LANES) {
            p4c_conv2d_pie_channels(p, block, top, bottom, x, out, scratch);
            block.w += p.kernel_h * p.kernel_w * p.in_c * P4C_LANES;
            block.bias += P4C_LANES;
            if (shifts) block.shifts += P4C_LANES;
            if (roundings) block.roundings += P4C_LANES;
        }
        block.rest = 1;
        P4C_ROLLED for (int channel = 0; channel < p.rest; channel++, out++) {
            if (roundings) p4c_pie_begin(*block.roundings);
            p4c_conv2d_pie_channels(p, block, top, bottom, x, out, scratch);
            block.w += p.kernel_h * p.kernel_w * p.in_x;
            block.bias += 2;
            if (shifts) block.shifts++;
            if (roundings) block.roundings++;
        }
    }
}

#endif
