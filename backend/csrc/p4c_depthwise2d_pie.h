/* The PIE forms of the depthwise convolution, included by p4c_depthwise2d.h.
 *
 * Sixteen channels at a time: one multiplication takes 16 inputs and 16 weights, and both must be loaded.
 */
#ifndef P4C_DEPTHWISE2D_PIE_H
#define P4C_DEPTHWISE2D_PIE_H

#include "p4c_pie_conv.h"

/* One kernel row of at least one tap: q0 q1 weights, q2 q3 inputs, each fetched a tap ahead; three cycles a tap. */
#define P4C_DW_TAP(weight, next_weight, input, next_input) \
    PIE_VLD_128_XP(next_input, a0, s8) \
    PIE_VMULAS_S8_QACC_LD_IP(next_weight, a1, 16, weight, input)
#define P4C_DW_ROW \
    PIE_VLD_128_XP(q2, a0, s8) PIE_VLD_128_IP(q0, a1, 16) \
    ".rept (%[columns] - 1) / 2\n" P4C_DW_TAP(q0, q1, q2, q3) P4C_DW_TAP(q1, q0, q3, q2) ".endr\n" \
    ".if %[columns] & 1\n" PIE_VMULAS_S8_QACC(q0, q2) \
    ".else\n" P4C_DW_TAP(q0, q1, q2, q3) PIE_VMULAS_S8_QACC(q1, q3) ".endif\n" \
    "add a0, a0, %[row_step]\n" \
    ".if %[clipped]\n addi a1, a1, %[clipped]\n .endif\n"

/* `count` pixels that see the same kernel columns, a constant number of them. With `unroll` all kernel rows are seen and
 * written out; otherwise `rows` of them are a loop. */
P4C_INLINE void p4c_pie_depthwise_run(struct p4c_depthwise2d p, int columns, int unroll, const int8_t *shifts,
                                      const int8_t *roundings, int rows, int count, const int8_t *input,
                                      const int8_t *weights, const int32_t *bias, int8_t *output)
{
    struct p4c_requantize q = p.requantize;
    struct p4c_pie_mixed mixed;
    register int8_t *readings __asm__("t5") = p4c_pie_mixed_begin(q, roundings, &mixed);
    register const int8_t *x __asm__("a0") = input;
    register const int8_t *w __asm__("a1") = weights;
    register int8_t *y __asm__("a2") = output;
    register const int32_t *b __asm__("a3") = bias;
    register intptr_t shift __asm__("a4") = q.per_channel ? (intptr_t)shifts : q.shift;
    register int low __asm__("a5") = q.qmin;
    register int high __asm__("t3") = q.qmax;
    register int output_step __asm__("t4") = p.out_x;
    register int tap_step __asm__("s8") = p.dilation_w * p.in_x;
    int row_step = p.dilation_h * p.in_y - columns * p.dilation_w * p.in_x;
    int row;
    __asm__ volatile(
        P4C_IF_PER_CHANNEL PIE_VLD_128_IP(q7, a4, 0) ".endif\n"
        P4C_MIXED_BEGIN
        P4C_LOAD_BIAS
        "mv %[row], %[rows]\n"
        "1:\n"
        ".if %[unroll]\n"
        ".rept %[unroll]\n" P4C_DW_ROW ".endr\n"
        ".else\n"
        P4C_DW_ROW
        "addi %[row], %[row], -1\n"
        "bnez %[row], 1b\n"
        ".endif\n"
        P4C_NEXT_PIXEL("add %[input], %[input], %[pixel_step]\n", "mv a0, %[input]\n", "mv a1, %[weights]\n",
                       "addi %[count], %[count], -1\n", "mv %[row], %[rows]\n")
        "bnez %[count], 1b\n"
        : "+&r"(x), "+&r"(w), "+&r"(y), "+&r"(readings), [input] "+&r"(input), [count] "+&r"(count), [row] "=&r"(row)
        : "r"(b), "r"(shift), "r"(low), "r"(high), "r"(output_step), "r"(tap_step), [rows] "r"(rows), [weights] "r"(weights),
          [row_step] "r"(row_step), [pixel_step] "r"(p.stride_w * p.in_x), [columns] "i"(columns),
          [clipped] "i"((p.kernel_w - columns) * P4C_LANES), [unroll] "i"(unroll ? p.kernel_h : 0),
          [flags] "i"(P4C_PIE_FLAGS(q))
        : "memory", "t6");
}

/* `count` pixels from column ox on; the kernel columns that ox sees are constant and those of all of them. */
P4C_INLINE void p4c_depthwise2d_pie_pixels(struct p4c_depthwise2d p, int oy, int ox, int count, const int8_t *x,
                                           const int8_t *w, const int32_t *bias, const int8_t *shifts,
                                           const int8_t *roundings, int8_t *y)
{
    struct p4c_span rows = p4c_taps_inside(oy, p.stride_h, p.pad_top, p.dilation_h, p.kernel_h, p.in_h);
    struct p4c_span columns = p4c_taps_inside(ox, p.stride_w, p.pad_left, p.dilation_w, p.kernel_w, p.in_w);
    int inside = columns.last - columns.first, seen = rows.last - rows.first;
    const int8_t *in = x + (oy * p.stride_h - p.pad_top + rows.first * p.dilation_h) * p.in_y +
                       (ox * p.stride_w - p.pad_left + columns.first * p.dilation_w) * p.in_x;
    const int8_t *v = w + (rows.first * p.kernel_w + columns.first) * P4C_LANES;
    int8_t *out = y + (oy * p.out_w + ox) * p.out_x;
    if (seen == p.kernel_h && count > 1)
        p4c_pie_depthwise_run(p, inside, 1, shifts, roundings, seen, count, in, v, bias, out);
    else
        p4c_pie_depthwise_run(p, inside, 0, shifts, roundings, seen, count, in, v, bias, out);
}

/* The PIE form for any kernel: conditions as for the convolution. Rows outermost, so that the inputs of all channel
 * blocks of a row are read while they are in the L1 cache. */
P4C_INLINE void p4c_depthwise2d_s8(struct p4c_depthwise2d p, const int8_t *x, const int8_t *w, const int32_t *bias,
                                       const int8_t *shifts, const int8_t *roundings, void *y)
{
    p4c_pie_begin(p.requantize.rounding);
    struct p4c_span inner =
        p4c_whole_kernels(p.out_w, p.stride_w, p.pad_left, p.dilation_w, p.kernel_w, p.in_w);
    P4C_ROLLED for (int oy = 0; oy < p.out_h; oy++) {
        P4C_ROLLED for (int c = 0; c < p.channels; c += P4C_LANES) {
            const int8_t *xc = x + c, *v = w + c * p.kernel_h * p.kernel_w;
            const int8_t *s = shifts ? shifts + c : NULL, *r = roundings ? roundings + c : NULL;
            int8_t *out = (int8_t *)y + c;
            if (inner.first > 0) p4c_depthwise2d_pie_pixels(p, oy, 0, 1, xc, v, bias + c, s, r, out);
            if (inner.first > 1) p4c_depthwise2d_pie_pixels(p, oy, 1, 1, xc, v, bias + c, s, r, out);
            if (inner.first > 2) p4c_depthwise2d_pie_pixels(p, oy, 2, 1, xc, v, bias + c, s, r, out);
            if (inner.first > 3) p4c_depthwise2d_pie_pixels(p, oy, 3, 1, xc, v, bias + c, s, r, out);
            if (inner.last > inner.first)
                p4c_depthwise2d_pie_pixels(p, oy, inner.first, inner.last - inner.first, xc, v, bias + c, s, r, out);
            if (p.out_w - inner.last > 3) p4c_depthwise2d_pie_pixels(p, oy, p.out_w - 4, 1, xc, v, bias + c, s, r, out);
            if (p.out_w - inner.last > 2) p4c_depthwise2d_pie_pixels(p, oy, p.out_w - 3, 1, xc, v, bias + c, s, r, out);
            if (p.out_w - inner.last > 1) p4c_depthwise2d_pie_pixels(p, oy, p.out_w - 2, 1, xc, v, bias + c, s, r, out);
            if (p.out_w - inner.last > 0) p4c_depthwise2d_pie_pixels(p, oy, p.out_w - 1, 1, xc, v, bias + c, s, r, out);
        }
    }
}

/* One pixel of a 3x3 kernel with stride 1. Two of its three input columns are in registers from the pixels before: a0-a2
 * is the left one, which is replaced by the right one as soon as it has been used. w0 and w1 hold the first two of the
 * nine weights, which stream column by column; afterwards w1 holds the first again, and w0 the second.
 */
#define P4C_DW3_MAC_LOAD(weight, input) PIE_VMULAS_S8_QACC_LD_IP(weight, a3, 16, weight, input)
#define P4C_DW3_MACS(left0, left1, left2, mid0, mid1, mid2, w0, w1, right_column, weights_back) \
    P4C_DW3_MAC_LOAD(w0, left0) P4C_DW3_MAC_LOAD(w1, left1) P4C_DW3_MAC_LOAD(w0, left2) \
    right_column \
    P4C_DW3_MAC_LOAD(w1, mid0) P4C_DW3_MAC_LOAD(w0, mid1) P4C_DW3_MAC_LOAD(w1, mid2) \
    P4C_DW3_MAC_LOAD(w0, left0) \
    /* Between two fused instructions moving the pointer would take a cycle; beside a plain one it is free. */ \
    PIE_VMULAS_S8_QACC(w1, left1) weights_back PIE_VMULAS_S8_QACC(w0, left2)
#define P4C_DW3_READ_OUT(w0, w1) \
    P4C_IF_PER_CHANNEL PIE_VLD_128_IP(w1, t3, 0) P4C_IF_HALF_EVEN PIE_SRCMB_S8_Q_QACC_RNE(w0, w1) ".else\n" \
    PIE_SRCMB_S8_Q_QACC_RDN(w0, w1) ".endif\n.else\n" P4C_IF_HALF_EVEN \
    PIE_SRCMB_S8_QACC_RNE(w0, t3) ".else\n" PIE_SRCMB_S8_QACC_RDN(w0, t3) ".endif\n.endif\n"
#define P4C_DW3_CLAMP(w0) P4C_IF_CLAMPS PIE_VSAT_S8(w0, w0, s9, s10) ".endif\n"
#define P4C_DW3_PIXEL(left0, left1, left2, mid0, mid1, mid2, w0, w1) \
    P4C_DW3_MACS(left0, left1, left2, mid0, mid1, mid2, w0, w1, \
                 PIE_VLD_128_XP(left0, a0, t5) PIE_VLD_128_XP(left1, a1, s8) PIE_VLD_128_XP(left2, a2, t6), \
                 "addi a3, a3, -144\n") \
    P4C_DW3_READ_OUT(w0, w1) \
    PIE_VLD_128_IP(w1, a3, 16) \
    PIE_LD_QACC_L_L_128_IP(a5, 16) \
    P4C_DW3_CLAMP(w0) \
    PIE_LD_QACC_L_H_128_IP(a5, 16) PIE_LD_QACC_H_L_128_IP(a5, 16) \
    PIE_VST_128_XP(w0, a4, t4) PIE_VLD_128_IP(w0, a3, 16) PIE_LD_QACC_H_H_128_IP(a5, -48)
/* The last pixel of a row, whose right column lies outside the image: nothing is fetched for another one. */
#define P4C_DW3_LAST(left0, left1, left2, mid0, mid1, mid2, w0, w1) \
    P4C_DW3_MACS(left0, left1, left2, mid0, mid1, mid2, w0, w1, \
                 PIE_ZERO_Q(left0) PIE_ZERO_Q(left1) PIE_ZERO_Q(left2), "") \
    P4C_DW3_READ_OUT(w0, w1) "nop\n" P4C_DW3_CLAMP(w0) PIE_VST_128_XP(w0, a4, t4)

/* What rows and columns outside the image hold. */
static const int8_t p4c_zeros[P4C_LANES] __attribute__((aligned(16), unused)) = {0};

/* The three input rows of one output row, where they begin. Only the first and the last may lie outside. */
struct p4c_rows3 {
    const int8_t *top, *middle, *bottom;
    int top_inside, bottom_inside;
};

P4C_INLINE struct p4c_rows3 p4c_rows3_of(struct p4c_depthwise2d p, int oy, const int8_t *x)
{
    const int8_t *middle = x + (oy - p.pad_top + 1) * p.in_y;
    int top_inside = oy >= p.pad_top, bottom_inside = oy - p.pad_top + 2 < p.in_h;
    return (struct p4c_rows3){
        .top = top_inside ? middle - p.in_y : p4c_zeros,
        .middle = middle,
        .bottom = bottom_inside ? middle + p.in_y : p4c_zeros,
        .top_inside = top_inside,
        .bottom_inside = bottom_inside,
    };
}

/* One output row of 16 channels; a row outside the image is read with a step of zero. Returns the end of its weights. */
P4C_INLINE const int8_t *p4c_pie_depthwise3x3_row(struct p4c_depthwise2d p, struct p4c_rows3 rows, const int8_t *weights,
                                                  const int32_t *bias, const int8_t *shifts, int8_t *output)
{
    struct p4c_requantize q = p.requantize;
    int right_pad = p.out_w - p.pad_left + 2 - p.in_w;
    int whole = p.out_w - right_pad, pairs = whole / 2;
    register const int8_t *x0 __asm__("a0") = rows.top;
    register const int8_t *x1 __asm__("a1") = rows.middle;
    register const int8_t *x2 __asm__("a2") = rows.bottom;
    register const int8_t *w __asm__("a3") = weights;
    register int8_t *y __asm__("a4") = output;
    register const int32_t *b __asm__("a5") = bias;
    register intptr_t shift __asm__("t3") = q.per_channel ? (intptr_t)shifts : q.shift;
    register int output_step __asm__("t4") = p.out_x;
    register int step0 __asm__("t5") = p.in_x & -rows.top_inside;
    register int step2 __asm__("t6") = p.in_x & -rows.bottom_inside;
    register int step1 __asm__("s8") = p.in_x;
    register int low __asm__("s9") = q.qmin;
    register int high __asm__("s10") = q.qmax;
    __asm__ volatile(
        ".if %[left_pad]\n" PIE_ZERO_Q(q0) PIE_ZERO_Q(q1) PIE_ZERO_Q(q2) ".else\n"
        PIE_VLD_128_XP(q0, a0, t5) PIE_VLD_128_XP(q1, a1, s8) PIE_VLD_128_XP(q2, a2, t6) ".endif\n"
        PIE_VLD_128_XP(q3, a0, t5) PIE_VLD_128_XP(q4, a1, s8) PIE_VLD_128_XP(q5, a2, t6)
        PIE_VLD_128_IP(q6, a3, 16) PIE_VLD_128_IP(q7, a3, 16)
        PIE_LD_QACC_L_L_128_IP(a5, 16) PIE_LD_QACC_L_H_128_IP(a5, 16)
        PIE_LD_QACC_H_L_128_IP(a5, 16) PIE_LD_QACC_H_H_128_IP(a5, -48)
        ".if %[any_pairs]\n"
        "1:\n"
        P4C_DW3_PIXEL(q0, q1, q2, q3, q4, q5, q6, q7)
        "addi %[pairs], %[pairs], -1\n"
        P4C_DW3_PIXEL(q3, q4, q5, q0, q1, q2, q7, q6)
        "bnez %[pairs], 1b\n"
        ".endif\n"
        ".if %[odd]\n" P4C_DW3_PIXEL(q0, q1, q2, q3, q4, q5, q6, q7) ".endif\n"
        ".if %[right_pad]\n"
        ".if %[odd]\n" P4C_DW3_LAST(q3, q4, q5, q0, q1, q2, q7, q6)
        ".else\n" P4C_DW3_LAST(q0, q1, q2, q3, q4, q5, q6, q7) ".endif\n"
        ".endif\n"
        : "+&r"(x0), "+&r"(x1), "+&r"(x2), "+&r"(w), "+&r"(y), [pairs] "+&r"(pairs)
        : "r"(b), "r"(shift), "r"(output_step), "r"(step0), "r"(step1), "r"(step2), "r"(low), "r"(high),
          [left_pad] "i"(p.pad_left != 0), [right_pad] "i"(right_pad > 0), [any_pairs] "i"(whole / 2 > 0),
          [odd] "i"(whole % 2), [flags] "i"(P4C_PIE_FLAGS(q))
        : "memory");
    /* Without a last pixel of its own, the row ends with the first two weights fetched once more. */
    return right_pad > 0 ? w : w + 7 * P4C_LANES;
}

/* The PIE form for 3x3 kernels with stride 1, no dilation and at most one pixel of padding on each side.
 *
 * w is [ceil(channels / 16)][kernel_w][kernel_h][16] here, column by column.
 */
P4C_INLINE void p4c_depthwise3x3_s8(struct p4c_depthwise2d p, const int8_t *x, const int8_t *w, const int32_t *bias,
                                        const int8_t *shifts, const int8_t *roundings, void *y)
{
    (void)roundings;
    p4c_pie_begin(p.requantize.rounding);
    P4C_ROLLED for (int oy = 0; oy < p.out_h; oy++) {
        struct p4c_rows3 rows = p4c_rows3_of(p, oy, x);
        int8_t *out = (int8_t *)y + oy * p.out_w * p.out_x;
        const int8_t *v = w;
        P4C_ROLLED for (int c = 0; c < p.channels; c += P4C_LANES, out += P4C_LANES) {
            v = p4c_pie_depthwise3x3_row(p, rows, v, bias + c, shifts ? shifts + c : NULL, out);
            rows.top += P4C_LANES & -rows.top_inside;
            rows.middle += P4C_LANES;
            rows.bottom += P4C_LANES & -rows.bottom_inside;
        }
    }
}

#endif
