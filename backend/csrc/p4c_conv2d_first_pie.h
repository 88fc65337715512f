/* The PIE form of a network's first layer on one-channel images: 3x3, stride 1, with a 2x2 max-pool behind it.
 *
 * One input channel would leave 15 of 16 lanes of an input vector idle. Instead a vector holds the 4x4 patch that one
 * pooling window sees, column by column, and serves four pixels of nine taps each through the lane operand. Patches of
 * neighbouring windows overlap by half, so they are cut out of one strip: four image rows, interleaved.
 */
#ifndef P4C_CONV2D_FIRST_PIE_H
#define P4C_CONV2D_FIRST_PIE_H

#include "p4c_pie_conv.h"

/* Bytes of a row that was copied behind 16 zeros, with room for whole vectors and zeros behind it. */
P4C_INLINE int p4c_first_row_bytes(struct p4c_conv2d p) { return 32 + (p.in_w + 15) / 16 * 16; }

/* Copy `vectors` times 16 bytes, a constant, from anywhere to an aligned place; up to 31 bytes behind are read. */
P4C_INLINE void p4c_first_copy(const int8_t *from, int8_t *to, int vectors)
{
    register const int8_t *x __asm__("a0") = from;
    register int8_t *y __asm__("a1") = to;
    __asm__ volatile(
        PIE_LD_128_USAR_IP(q0, a0, 16)
        ".rept %[vectors]\n"
        PIE_LD_128_USAR_IP(q1, a0, 16) PIE_SRC_Q_QUP(q2, q0, q1) PIE_VST_128_IP(q2, a1, 16)
        ".endr\n"
        : "+&r"(x), "+&r"(y)
        : [vectors] "i"(vectors)
        : "memory");
}

/* Image row iy, or zeros, into its slot of the ring: 16 zeros, the row, zeros. */
P4C_INLINE void p4c_first_load_row(struct p4c_conv2d p, int iy, const int8_t *x, int8_t *slot)
{
    int8_t *row = slot + 16;
    if (iy < 0 || iy >= p.in_h) {
        p4c_pie_zero(row, (p.in_w + 15) / 16 + 1);
        return;
    }
    p4c_first_copy(x + iy * p.in_w, row, (p.in_w + 15) / 16);
    row[p.in_w] = 0;
    row[p.in_w + 1] = 0;
}

/* Interleave four rows from column -left on: byte 4 * column + row; `vectors` times 16 columns, a constant.
 *
 * All rows start alike within a vector, so that the splices of one row may stand among the loads of the next.
 */
P4C_INLINE void p4c_first_interleave(const int8_t *const rows[4], int vectors, int8_t *strip)
{
    register const int8_t *row0 __asm__("a0") = rows[0];
    register const int8_t *row1 __asm__("a1") = rows[1];
    register const int8_t *row2 __asm__("a2") = rows[2];
    register const int8_t *row3 __asm__("a3") = rows[3];
    register int8_t *y __asm__("a4") = strip;
    __asm__ volatile(
        ".rept %[vectors]\n"
        PIE_LD_128_USAR_IP(q4, a0, 16) PIE_LD_128_USAR_IP(q5, a0, 0) PIE_LD_128_USAR_IP(q6, a1, 16) PIE_SRC_Q(q0, q4, q5)
        PIE_LD_128_USAR_IP(q7, a1, 0) PIE_LD_128_USAR_IP(q4, a2, 16) PIE_SRC_Q(q1, q6, q7)
        PIE_LD_128_USAR_IP(q5, a2, 0) PIE_LD_128_USAR_IP(q6, a3, 16) PIE_SRC_Q(q2, q4, q5)
        PIE_LD_128_USAR_IP(q7, a3, 0) PIE_VZIP_8(q0, q1) PIE_SRC_Q(q3, q6, q7)
        PIE_VZIP_8(q2, q3) PIE_VZIP_16(q0, q2) PIE_VZIP_16(q1, q3)
        PIE_VST_128_IP(q0, a4, 16) PIE_VST_128_IP(q2, a4, 16) PIE_VST_128_IP(q1, a4, 16) PIE_VST_128_IP(q3, a4, 16)
        ".endr\n"
        : "+&r"(row0), "+&r"(row1), "+&r"(row2), "+&r"(row3), "+&r"(y)
        : [vectors] "i"(vectors)
        : "memory");
}

/* Pixel (r, c) of a window against tap (ky, kx): the lane of the patch in q2. */
#define P4C_FIRST_MAC(q, r, c, ky, kx) PIE_VSMULAS_S8_QACC(q, q2, 4 * (c + kx) + r + ky)
#define P4C_FIRST_MAC_LOAD(q, r, c, ky, kx) PIE_VSMULAS_S8_QACC_LD_INCP(q1, a1, q, q2, 4 * (c + kx) + r + ky)

/* One pixel: the rows of the first five taps are held in q3-q7, the other four stream through q1. */
#define P4C_FIRST_PIXEL(r, c) \
    P4C_FIRST_MAC_LOAD(q3, r, c, 0, 0) P4C_FIRST_MAC(q4, r, c, 0, 1) \
    P4C_FIRST_MAC_LOAD(q1, r, c, 1, 2) P4C_FIRST_MAC(q5, r, c, 0, 2) \
    P4C_FIRST_MAC_LOAD(q1, r, c, 2, 0) P4C_FIRST_MAC(q6, r, c, 1, 0) \
    P4C_FIRST_MAC_LOAD(q1, r, c, 2, 1) P4C_FIRST_MAC(q7, r, c, 1, 1) \
    "addi a1, a1, -64\n" \
    P4C_FIRST_MAC(q1, r, c, 2, 2)

#define P4C_FIRST_READ_OUT(q) \
    ".if %[half_even]\n" PIE_SRCMB_S8_QACC_RNE(q, a4) ".else\n" PIE_SRCMB_S8_QACC_RDN(q, a4) ".endif\n"

/* A further pixel of the window: its result is in QACC; keep the larger of it and q0, and load the bias again. */
#define P4C_FIRST_MAX \
    P4C_FIRST_READ_OUT(q1) PIE_LD_QACC_L_L_128_IP(a3, 16) PIE_VMAX_S8(q0, q0, q1) \
    PIE_LD_QACC_L_H_128_IP(a3, 16) PIE_LD_QACC_H_L_128_IP(a3, 16) PIE_LD_QACC_H_H_128_IP(a3, -48)

/* One row of `windows` pooled pixels of one block of 16 channels. Rounding is monotonic and so is the clamp: it waits
 * until after the maximum. */
P4C_INLINE void p4c_first_windows(struct p4c_conv2d p, int windows, const int8_t *strip, const int8_t *weights,
                                  const int32_t *bias, int8_t *output)
{
    struct p4c_requantize q = p.requantize;
    register const int8_t *x __asm__("a0") = strip;
    register const int8_t *w __asm__("a1") = weights;
    register int8_t *y __asm__("a2") = output;
    register const int32_t *b __asm__("a3") = bias;
    register int shift __asm__("a4") = q.shift;
    register int low __asm__("a5") = q.qmin;
    register int high __asm__("t3") = q.qmax;
    register int output_step __asm__("t4") = p.out_x;
    __asm__ volatile(
        PIE_VLD_128_IP(q3, a1, 16) PIE_VLD_128_IP(q4, a1, 16) PIE_VLD_128_IP(q5, a1, 16) PIE_VLD_128_IP(q6, a1, 16)
        PIE_VLD_128_IP(q7, a1, 16)
        P4C_LOAD_BIAS
        "1:\n"
        PIE_VLD_L_64_IP(q2, a0, 8) PIE_VLD_H_64_IP(q2, a0, 0)
        "addi %[windows], %[windows], -1\n"
        P4C_FIRST_PIXEL(0, 0)
        P4C_FIRST_READ_OUT(q0) P4C_LOAD_BIAS
        P4C_FIRST_PIXEL(0, 1)
        P4C_FIRST_MAX
        P4C_FIRST_PIXEL(1, 0)
        P4C_FIRST_MAX
        P4C_FIRST_PIXEL(1, 1)
        P4C_FIRST_MAX
        ".if %[clamps]\n" PIE_VSAT_S8(q0, q0, a5, t3) ".endif\n"
        PIE_VST_128_XP(q0, a2, t4)
        "bnez %[windows], 1b\n"
        : "+&r"(x), "+&r"(w), "+&r"(y), "+&r"(b), [windows] "+&r"(windows)
        : "r"(shift), "r"(low), "r"(high), "r"(output_step), [half_even] "i"(q.rounding == P4C_HALF_EVEN),
          [clamps] "i"(q.qmin > -128 || q.qmax < 127)
        : "memory");
}

/* Scratch: a ring of four rows, and the strip of whole vectors of columns. */
P4C_INLINE void p4c_conv2d_first_s8(struct p4c_conv2d p, const int8_t *x, const int8_t *w, const int32_t *bias,
                                    const int8_t *shifts, const int8_t *roundings, void *y, int8_t *scratch)
{
    (void)shifts, (void)roundings;
    p4c_pie_begin(p.requantize.rounding);
    int row_bytes = p4c_first_row_bytes(p), pooled_h = p.out_h / 2, pooled_w = p.out_w / 2;
    int8_t *strip = scratch + 4 * row_bytes;
    for (int i = 0; i < 4; i++) p4c_pie_zero(scratch + i * row_bytes, 1);
    for (int py = 0; py < pooled_h; py++) {
        int top = 2 * py - p.pad_top;
        const int8_t *rows[4];
        for (int r = 0; r < 4; r++) {
            int8_t *slot = scratch + ((top + r) & 3) * row_bytes;
            if (py == 0 || r >= 2) p4c_first_load_row(p, top + r, x, slot);
            rows[r] = slot + 16 - p.pad_left;
        }
        p4c_first_interleave(rows, (2 * pooled_w + 2 + 15) / 16, strip);
        for (int channel = 0; channel < p.out_c; channel += P4C_LANES)
            p4c_first_windows(p, pooled_w, strip, w + channel * 9, bias + channel,
                              (int8_t *)y + py * pooled_w * p.out_x + channel);
    }
}

#endif
