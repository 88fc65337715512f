/* The PIE form of a convolution on few planar channels, as a network's input has them, included by p4c_conv2d.h.
 *
 * Channels of one pixel lie far apart here, but neighbouring pixels side by side. So the 16 lanes are 16 output pixels
 * of a row: for each tap of the kernel a vector of 16 inputs is gathered once, and each output channel multiplies all of
 * them by its weights, one scalar for a vector. Eight channels at a time are then transposed to channels-last pixels.
 */
#ifndef P4C_CONV2D_PLANAR_PIE_H
#define P4C_CONV2D_PLANAR_PIE_H

#include "p4c_pie_conv.h"
#include "p4c_transpose_pie.h"

/* Output channels that are transposed at once. */
#define P4C_PLANAR_GROUP 8

/* Taps whose vectors stay in q3-q7 for all channels of a group. */
#define P4C_PLANAR_HELD 5

P4C_INLINE int p4c_planar_taps(struct p4c_conv2d p) { return p.in_c * p.kernel_h * p.kernel_w; }

/* Bytes of the gathered vectors and of a group's results. */
P4C_INLINE int p4c_planar_scratch(struct p4c_conv2d p)
{
    return (p4c_planar_taps(p) + P4C_PLANAR_GROUP) * P4C_LANES;
}

/* Of one channel the vectors of `rows` kernel rows, a constant, from image rows that all lie inside: kernel_w vectors
 * each, vector kx with the inputs kx, kx + stride, ... behind `input`. Up to 63 bytes behind the first one are read.
 *
 * Stride 1: a vector is spliced from two aligned ones, and stored while the next one's are loaded. Stride 2: of 32
 * bytes the even ones are vector kx, and the odd ones vector kx + 1. A last vector of its own is vector kx - 2 moved on
 * by a lane, with the byte behind the 32.
 */
P4C_INLINE void p4c_planar_gather(struct p4c_conv2d p, int rows, const int8_t *input, int8_t *vectors)
{
    register const int8_t *x __asm__("a0");
    register int8_t *y __asm__("a1") = vectors;
    register int one_lane __asm__("a2") = 1;
    __asm__ volatile(
        ".set p4c_kx, 0\n"
        ".rept %[rows]\n"
        "mv a0, %[input]\n"
        "add %[input], %[input], %[in_y]\n"
        ".if %[stride] == 1\n"
        ".rept %[width]\n"
        PIE_LD_128_USAR_IP(q0, a0, 16) PIE_LD_128_USAR_IP(q1, a0, 0) "addi a0, a0, -15\n"
        ".if p4c_kx\n" PIE_VST_128_IP(q2, a1, 16) ".else\nnop\n.endif\n" PIE_SRC_Q(q2, q0, q1)
        ".set p4c_kx, 1\n"
        ".endr\n"
        ".else\n"
        ".set p4c_kx, 0\n"
        ".rept %[width] / 2\n"
        PIE_LD_128_USAR_IP(q0, a0, 16) PIE_LD_128_USAR_IP(q1, a0, 16) PIE_LD_128_USAR_IP(q2, a0, 16)
        ".set p4c_kx, p4c_kx + 2\n"
        ".if p4c_kx + 1 == %[width]\n" PIE_LD_128_USAR_IP(q5, a0, 0) ".endif\n"
        "addi a0, a0, -46\n"
        PIE_SRC_Q(q3, q0, q1) PIE_SRC_Q(q4, q1, q2)
        ".if p4c_kx + 1 == %[width]\n" PIE_SRC_Q(q5, q2, q5) PIE_MOVX_W_SAR_BYTES(a2) ".endif\n"
        PIE_VUNZIP_8(q3, q4) PIE_VST_128_IP(q3, a1, 16) PIE_VST_128_IP(q4, a1, 16)
        ".if p4c_kx + 1 == %[width]\n" PIE_SRC_Q(q3, q3, q5) PIE_VST_128_IP(q3, a1, 16) ".endif\n"
        ".endr\n"
        ".if %[width] == 1\n"
        PIE_LD_128_USAR_IP(q0, a0, 16) PIE_LD_128_USAR_IP(q1, a0, 16) PIE_LD_128_USAR_IP(q2, a0, 0)
        PIE_SRC_Q(q3, q0, q1) PIE_SRC_Q(q4, q1, q2) PIE_VUNZIP_8(q3, q4) PIE_VST_128_IP(q3, a1, 16)
        ".endif\n"
        ".endif\n"
        ".endr\n"
        ".if %[stride] == 1\n" PIE_VST_128_IP(q2, a1, 16) ".endif\n"
        : "=&r"(x), "+&r"(y), [input] "+&r"(input)
        : "r"(one_lane), [in_y] "r"(p.dilation_h * p.in_y), [rows] "i"(rows), [width] "i"(p.kernel_w), [stride] "i"(p.stride_w)
        : "memory");
}

/* The lanes first..last of kernel column kx lie outside the image. */
P4C_INLINE void p4c_planar_clear(struct p4c_conv2d p, int kx, int first, int last, int8_t *vectors)
{
    for (int row = 0; row < p.in_c * p.kernel_h; row++)
        for (int lane = first; lane < last; lane++) vectors[(row * p.kernel_w + kx) * P4C_LANES + lane] = 0;
}

/* All vectors of 16 output pixels from column ox of row oy on. */
P4C_INLINE void p4c_planar_vectors(struct p4c_conv2d p, int oy, int ox, const int8_t *x, int8_t *vectors)
{
    int top = oy * p.stride_h - p.pad_top, row_bytes = p.kernel_w * P4C_LANES;
    const int8_t *first = x + top * p.in_y + ox * p.stride_w - p.pad_left;
    for (int c = 0; c < p.in_c; c++, first += p.in_z, vectors += p.kernel_h * row_bytes) {
        if (top >= 0 && top + (p.kernel_h - 1) * p.dilation_h < p.in_h) {
            p4c_planar_gather(p, p.kernel_h, first, vectors);
            continue;
        }
        for (int ky = 0; ky < p.kernel_h; ky++) {
            int8_t *row = vectors + ky * row_bytes;
            int iy = top + ky * p.dilation_h;
            if (iy >= 0 && iy < p.in_h)
                p4c_planar_gather(p, 1, first + (iy - top) * p.in_y, row);
            else
                p4c_pie_zero(row, p.kernel_w);
        }
    }
}

/* One tap: q2 has the weights of 16 taps; p4c_k is the number of the next tap. */
#define P4C_PLANAR_WEIGHTS ".if p4c_k && (p4c_k & 15) == 0\n" PIE_VLD_128_IP(q2, a1, 16) "nop\n.endif\n"
#define P4C_PLANAR_STREAM(q) \
    P4C_PLANAR_WEIGHTS PIE_VSMULAS_S8_QACC_LD_INCP(q, a0, q, q2, p4c_k & 15) ".set p4c_k, p4c_k + 1\n"
#define P4C_PLANAR_MAC(q) P4C_PLANAR_WEIGHTS PIE_VSMULAS_S8_QACC(q, q2, p4c_k & 15) ".set p4c_k, p4c_k + 1\n"
#define P4C_PLANAR_IF_HELD(n, text) ".if %[held] > " #n "\n" text ".endif\n"

/* Eight output channels of 16 pixels, a result vector each. Biases are 16 alike. All but the held vectors stream through
 * q0 and q1, each loaded by the multiplication before last; each channel loads the first weights of the next. */
P4C_INLINE void p4c_planar_channels(struct p4c_conv2d p, const int8_t *vectors, const int8_t *weights, const int32_t *bias,
                                    const int8_t *shifts, const int8_t *roundings, int8_t *results)
{
    struct p4c_requantize q = p.requantize;
    int taps = p4c_planar_taps(p), held = p4c_min(P4C_PLANAR_HELD, taps - 2), streamed = taps - held;
    register const int8_t *x __asm__("a0") = vectors + streamed * P4C_LANES;
    register const int8_t *w __asm__("a1") = weights;
    register const int32_t *b __asm__("a2") = bias;
    register int8_t *y __asm__("a3") = results;
    register int shift __asm__("a4") = q.shift;
    register int low __asm__("a5") = q.qmin;
    register int high __asm__("t3") = q.qmax;
    register int rounding __asm__("t4");
    int count = P4C_PLANAR_GROUP;
    __asm__ volatile(
        P4C_PLANAR_IF_HELD(0, PIE_VLD_128_IP(q3, a0, 16)) P4C_PLANAR_IF_HELD(1, PIE_VLD_128_IP(q4, a0, 16))
        P4C_PLANAR_IF_HELD(2, PIE_VLD_128_IP(q5, a0, 16)) P4C_PLANAR_IF_HELD(3, PIE_VLD_128_IP(q6, a0, 16))
        P4C_PLANAR_IF_HELD(4, PIE_VLD_128_IP(q7, a0, 16))
        PIE_VLD_128_IP(q2, a1, 16)
        "1:\n"
        PIE_LD_QACC_L_L_128_IP(a2, 16) "mv a0, %[vectors]\n" PIE_LD_QACC_L_H_128_IP(a2, 16)
        P4C_IF_PER_CHANNEL "lb a4, 0(%[shifts])\n addi %[shifts], %[shifts], 1\n .endif\n"
        P4C_IF_MIXED "lb t4, 0(%[roundings])\n addi %[roundings], %[roundings], 1\n .endif\n"
        PIE_LD_QACC_H_L_128_IP(a2, 16) PIE_LD_QACC_H_H_128_IP(a2, 16)
        PIE_VLD_128_IP(q0, a0, 16) PIE_VLD_128_IP(q1, a0, 16)
        ".set p4c_k, 0\n"
        ".rept %[streamed] / 2 - 1\n" P4C_PLANAR_STREAM(q0) P4C_PLANAR_STREAM(q1) ".endr\n"
        ".if %[streamed] & 1\n" P4C_PLANAR_STREAM(q0) P4C_PLANAR_MAC(q1) P4C_PLANAR_MAC(q0)
        ".else\n" P4C_PLANAR_MAC(q0) P4C_PLANAR_MAC(q1) ".endif\n"
        P4C_PLANAR_IF_HELD(0, P4C_PLANAR_MAC(q3)) P4C_PLANAR_IF_HELD(1, P4C_PLANAR_MAC(q4))
        P4C_PLANAR_IF_HELD(2, P4C_PLANAR_MAC(q5)) P4C_PLANAR_IF_HELD(3, P4C_PLANAR_MAC(q6))
        P4C_PLANAR_IF_HELD(4, P4C_PLANAR_MAC(q7))
        P4C_IF_MIXED
        "beqz t4, 6f\n" P4C_SET_ROUNDING(PIE_CFG_RNE) PIE_SRCMB_S8_QACC_RNE(q0, a4) "j 7f\n"
        "6:\n" P4C_SET_ROUNDING(PIE_CFG_RDN) PIE_SRCMB_S8_QACC_RDN(q0, a4) "7:\n"
        ".else\n"
        P4C_IF_HALF_EVEN PIE_SRCMB_S8_QACC_RNE(q0, a4) ".else\n" PIE_SRCMB_S8_QACC_RDN(q0, a4) ".endif\n"
        ".endif\n"
        "addi %[count], %[count], -1\n"
        PIE_VLD_128_IP(q2, a1, 16) P4C_IF_CLAMPS PIE_VSAT_S8(q0, q0, a5, t3) ".endif\n"
        PIE_VST_128_IP(q0, a3, 16)
        "bnez %[count], 1b\n"
        : "+&r"(x), "+&r"(w), "+&r"(b), "+&r"(y), "+&r"(shift), [shifts] "+&r"(shifts),
          [roundings] "+&r"(roundings), "=&r"(rounding), [count] "+&r"(count)
        : "r"(low), "r"(high), [vectors] "r"(vectors), [held] "i"(held), [streamed] "i"(streamed),
          [flags] "i"(P4C_PIE_FLAGS(q))
        : "memory", "t6");
}

/* Output row oy, all channels. The last 16 pixels end with the row: some may be computed twice. */
P4C_INLINE void p4c_planar_row(struct p4c_conv2d p, int oy, const int8_t *x, const int8_t *w, const int32_t *bias,
                               const int8_t *shifts, const int8_t *roundings, int8_t *y, int8_t *scratch)
{
    int8_t *vectors = scratch, *results = scratch + p4c_planar_taps(p) * P4C_LANES;
    int last = p.out_w - P4C_LANES, weights = (p4c_planar_taps(p) + 15) / 16 * 16;
    for (int start = 0; start < p.out_w; start += P4C_LANES) {
        int ox = p4c_min(start, last);
        p4c_planar_vectors(p, oy, ox, x, vectors);
        P4C_UNROLL for (int kx = 0; kx < p.kernel_w; kx++) {
            /* Lanes whose input column is below 0, or from in_w on. */
            int left = p4c_max(0, (p.pad_left - kx + p.stride_w - 1) / p.stride_w);
            int right = (p.in_w + p.pad_left - kx + p.stride_w - 1) / p.stride_w - last;
            if (ox == 0) p4c_planar_clear(p, kx, 0, left, vectors);
            if (ox == last) p4c_planar_clear(p, kx, p4c_max(0, right), P4C_LANES, vectors);
        }
        for (int channel = 0; channel < p.out_c; channel += P4C_PLANAR_GROUP) {
            p4c_planar_channels(p, vectors, w + channel * weights, bias + channel * P4C_LANES,
                                shifts ? shifts + channel : NULL, roundings ? roundings + channel : NULL, results);
            p4c_pie_transpose(results, P4C_LANES, y + ox * p.out_x + channel, p.out_x);
        }
    }
}

/* The PIE form for planar inputs: strides of 1 or 2 columns, which are not dilated, at least 16 output columns and two taps, fewer
 * columns of padding than the stride times 16.
 *
 * w        [ceil(out_c / 8) * 8][taps rounded up to 16], taps in the order [in_c][kernel_h][kernel_w]
 * bias     [ceil(out_c / 8) * 8][16], each 16 times;  shifts, roundings  [ceil(out_c / 8) * 8], or NULL
 * scratch  p4c_planar_scratch, and behind it the rows of a pooling window, [pool_h][out_w][out_x], where there is one
 *
 * Up to 31 bytes in front of the input and 63 behind it are read, and 16 behind the weights.
 */
P4C_INLINE void p4c_conv2d_planar_s8(struct p4c_conv2d p, const int8_t *x, const int8_t *w, const int32_t *bias,
                                     const int8_t *shifts, const int8_t *roundings, void *y, int8_t *scratch)
{
    p4c_pie_begin(p.requantize.rounding);
    if (!p4c_conv2d_pools(p)) {
        for (int oy = 0; oy < p.out_h; oy++)
            p4c_planar_row(p, oy, x, w, bias, shifts, roundings, (int8_t *)y + oy * p.out_w * p.out_x, scratch);
        return;
    }
    struct p4c_pool pool = p4c_conv2d_pool(p, p.out_c, p.out_x);
    int8_t *rows = scratch + p4c_planar_scratch(p);
    int pooled_h = (p.out_h - p.pool_h) / p.pool_stride_h + 1;
    for (int py = 0; py < pooled_h; py++) {
        for (int r = 0; r < p.pool_h; r++)
            p4c_planar_row(p, py * p.pool_stride_h + r, x, w, bias, shifts, roundings, rows + r * p.out_w * p.out_x, scratch);
        p4c_max_pool_s8((struct p4c_max_pool){pool, 1, 1}, rows, (int8_t *)y + py * pool.out_w * p.out_x);
    }
}

#endif
