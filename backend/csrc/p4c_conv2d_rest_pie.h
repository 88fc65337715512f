/* The output channels of a convolution beyond the last whole block of 16, a dot product each.
 *
 * A block of 16 channels costs the same however few of them there are. One channel is cheaper as a sum over XACC, the
 * scalar accumulator: one instruction multiplies 16 inputs by 16 weights and adds up the products. Included by
 * p4c_conv2d_pie.h.
 */
#ifndef P4C_CONV2D_REST_PIE_H
#define P4C_CONV2D_REST_PIE_H

#include "p4c_pie_conv.h"

/* Up to this many vectors are unrolled: 32 of 24 bytes each are less than a kilobyte. */
#define P4C_MAX_DOTS 32

/* What one call computes: `count` neighbouring output pixels of one channel.
 *
 * Everything but the pointers, `rows` and `count` must be a compile-time constant. For each pixel `rows` kernel rows are
 * read; in each, `loops` times `vectors` of 16 bytes. The other fields are those of struct p4c_pie_run.
 */
struct p4c_pie_dot {
    int unroll;
    int loops, vectors, skip;
    int row_step, weight_step, pixel_step, output_step;
};

/* Register use: q0 q2 inputs, q1 q3 weights    a0 input    a1 weights    a2 output    a3 bias    a4 shift    t3 sum
 *
 * Two vectors at a time, so that no multiplication waits for its load. */
#define P4C_DOT_TWO \
    PIE_VLD_128_IP(q0, a0, 16) PIE_VLD_128_IP(q1, a1, 16) PIE_VLD_128_IP(q2, a0, 16) \
    PIE_VMULAS_S8_XACC(q0, q1) PIE_VLD_128_IP(q3, a1, 16) "nop\n" PIE_VMULAS_S8_XACC(q2, q3)
#define P4C_DOT_ONE PIE_VLD_128_IP(q0, a0, 16) PIE_VLD_128_IP(q1, a1, 16) "nop\n" PIE_VMULAS_S8_XACC(q0, q1)

P4C_INLINE void p4c_pie_dot_run(struct p4c_pie_dot r, struct p4c_requantize q, int shift, int rounding, int rows,
                                int count, const int8_t *input, const int8_t *weights, const int32_t *bias, int8_t *output)
{
    register const int8_t *x __asm__("a0");
    register const int8_t *w __asm__("a1");
    register int8_t *y __asm__("a2") = output;
    register const int32_t *b __asm__("a3") = bias;
    register int amount __asm__("a4") = shift;
    register int sum __asm__("t3");
    int row, loop;
    __asm__ volatile(
        "1:\n"
        PIE_LD_XACC_IP(a3, 0)
        "mv a0, %[input]\n mv a1, %[weights]\n mv %[row], %[rows]\n"
        "2:\n"
        ".rept %[unroll]\n"
        ".if %[loops] > 1\n li %[loop], %[loops]\n .endif\n"
        "3:\n"
        ".rept %[vectors] / 2\n" P4C_DOT_TWO ".endr\n"
        ".if %[vectors] & 1\n" P4C_DOT_ONE ".endif\n"
        ".if %[flags] & 1\n add a0, a0, %[skip]\n .endif\n"
        ".if %[loops] > 1\n addi %[loop], %[loop], -1\n bnez %[loop], 3b\n .endif\n"
        "add a0, a0, %[row_step]\n"
        ".if %[flags] & 2\n add a1, a1, %[weight_step]\n .endif\n"
        ".endr\n"
        ".if %[unroll] == 1\n addi %[row], %[row], -1\n bnez %[row], 2b\n .endif\n"
        "add %[input], %[input], %[pixel_step]\n"
        ".if %[flags] & 8\n"
        "beqz %[rounding], 6f\n" PIE_SRS_S_XACC_RNE(t3, a4) "j 7f\n6:\n" PIE_SRS_S_XACC_RDN(t3, a4) "7:\n"
        ".elseif %[flags] & 4\n" PIE_SRS_S_XACC_RNE(t3, a4) ".else\n" PIE_SRS_S_XACC_RDN(t3, a4) ".endif\n"
        "addi %[count], %[count], -1\n"
        "ble t3, %[high], 4f\n mv t3, %[high]\n 4:\n"
        "bge t3, %[low], 5f\n mv t3, %[low]\n 5:\n"
        "sb t3, 0(a2)\n add a2, a2, %[output_step]\n"
        "bnez %[count], 1b\n"
        : "=&r"(x), "=&r"(w), "+&r"(y), "=&r"(sum), [input] "+&r"(input), [count] "+&r"(count), [row] "=&r"(row),
          [loop] "=&r"(loop)
        : "r"(b), "r"(amount), [rounding] "r"(rounding), [low] "r"(q.qmin), [high] "r"(q.qmax), [rows] "r"(rows), [weights] "r"(weights),
          [skip] "r"(r.skip), [row_step] "r"(r.row_step), [weight_step] "r"(r.weight_step),
          [pixel_step] "r"(r.pixel_step), [output_step] "r"(r.output_step), [unroll] "i"(r.unroll), [loops] "i"(r.loops),
          [vectors] "i"(r.vectors),
          [flags] "i"((r.skip != 0) | (r.weight_step != 0) << 1 | (q.rounding == P4C_HALF_EVEN) << 2 | q.mixed << 3)
        : "memory");
}

/* How kernel columns kx0..kx1 are read. Weights are [kernel_h][kernel_w][in_x]: zeros against the pixels' padding. */
P4C_INLINE struct p4c_pie_dot p4c_conv2d_dot_of(struct p4c_conv2d p, int kx0, int kx1, int out_x)
{
    int columns = kx1 - kx0, taps = p.in_x / P4C_LANES, one_run = p.dilation_w == 1 && columns * taps <= P4C_MAX_DOTS;
    return (struct p4c_pie_dot){
        .unroll = 1, .loops = one_run ? 1 : columns, .vectors = one_run ? columns * taps : taps,
        .skip = one_run ? 0 : (p.dilation_w - 1) * p.in_x,
        .row_step = p.dilation_h * p.in_y - columns * (one_run ? 1 : p.dilation_w) * p.in_x,
        .weight_step = (p.kernel_w - columns) * p.in_x,
        .pixel_step = p.stride_w * p.in_x,
        .output_step = out_x,
    };
}

/* As p4c_conv2d_pie_pixels, for one channel. */
P4C_INLINE void p4c_conv2d_rest_pixels(struct p4c_conv2d p, struct p4c_conv2d_block block, struct p4c_conv2d_row row, int ox,
                                       int kx0, int kx1, int count, int8_t *y, int out_x)
{
    const int8_t *x = row.x + row.ky0 * p.dilation_h * p.in_y + (ox * p.stride_w - p.pad_left + kx0 * p.dilation_w) * p.in_x;
    const int8_t *w = block.w + (row.ky0 * p.kernel_w + kx0) * p.in_x;
    int shift = block.shifts ? *block.shifts : p.requantize.shift;
    int rounding = block.roundings ? *block.roundings : p.requantize.rounding;
    struct p4c_pie_dot r = p4c_conv2d_dot_of(p, kx0, kx1, out_x);
    if (row.ky1 - row.ky0 == p.kernel_h && p.kernel_h * r.loops * r.vectors <= P4C_MAX_DOTS) {
        /* Without a loop over kernel rows no branch is mispredicted. */
        r.unroll = p.kernel_h;
        p4c_pie_dot_run(r, p.requantize, shift, rounding, p.kernel_h, count, x, w, block.bias, y + ox * out_x);
    } else
        p4c_pie_dot_run(r, p.requantize, shift, rounding, row.ky1 - row.ky0, count, x, w, block.bias, y + ox * out_x);
}

#endif
