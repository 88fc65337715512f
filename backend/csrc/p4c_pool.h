/* Pooling of int8, NHWC. */
#ifndef P4C_POOL_H
#define P4C_POOL_H

#include "p4c_kernel.h"

/* in_x, in_y and out_x are distances between neighbouring pixels and rows in bytes; output rows are dense. */
struct p4c_pool {
    int in_h, in_w, channels, in_x, in_y;
    int out_h, out_w, out_x;
    int kernel_h, kernel_w;
    int stride_h, stride_w;
    int pad_top, pad_left;
};

struct p4c_max_pool {
    struct p4c_pool window;
    int dilation_h, dilation_w;
};

/* The first of the taps first, first + step, ... that lies on the image. */
P4C_INLINE int p4c_first_inside(int first, int step)
{
    return first >= 0 ? first : first + (step - 1 - first) / step * step;
}

/* The scalar maximum: Pads never win. */
P4C_INLINE void p4c_max_pool_s8_ref(struct p4c_max_pool p, const int8_t *x, int8_t *y)
{
    struct p4c_pool w = p.window;
    for (int oy = 0; oy < w.out_h; oy++) {
        int top = oy * w.stride_h - w.pad_top;
        int y0 = p4c_first_inside(top, p.dilation_h), y1 = p4c_min(top + (w.kernel_h - 1) * p.dilation_h + 1, w.in_h);
        for (int ox = 0; ox < w.out_w; ox++, y += w.out_x) {
            int left = ox * w.stride_w - w.pad_left;
            int x0 = p4c_first_inside(left, p.dilation_w);
            int x1 = p4c_min(left + (w.kernel_w - 1) * p.dilation_w + 1, w.in_w);
            for (int c = 0; c < w.channels; c++) {
                int best = INT8_MIN;
                for (int iy = y0; iy < y1; iy += p.dilation_h)
                    for (int ix = x0; ix < x1; ix += p.dilation_w)
                        best = p4c_max(best, x[iy * w.in_y + ix * w.in_x + c]);
                y[c] = (int8_t)best;
            }
        }
    }
}

/* numerator / denominator, rounded half to even; |numerator| and the denominator < 2^30, denominator > 0. */
P4C_INLINE int32_t p4c_divide_half_even(int32_t numerator, int32_t denominator)
{
    int32_t quotient = numerator / denominator;
    int32_t remainder = numerator - quotient * denominator;
    if (remainder < 0) {
        quotient--;
        remainder += denominator;
    }
    int32_t twice = 2 * remainder;
    return quotient + (twice > denominator || (twice == denominator && (quotient & 1)));
}

/* `counted` holds the padding at the top, left, bottom and right that is averaged as zeros. */
struct p4c_average_pool {
    struct p4c_pool window;
    int counted[4];
    int shift;
    int qmin, qmax;
};

/* The scalar mean: y = clamp(sum * 2^-shift / count), the exact rational rounded half to even. */
P4C_INLINE void p4c_average_pool_s8_ref(struct p4c_average_pool p, const int8_t *x, int8_t *y)
{
    struct p4c_pool w = p.window;
    for (int oy = 0; oy < w.out_h; oy++) {
        int top = oy * w.stride_h - w.pad_top;
        int rows = p4c_min(top + w.kernel_h, w.in_h + p.counted[2]) - p4c_max(top, -p.counted[0]);
        int y0 = p4c_max(top, 0), y1 = p4c_min(top + w.kernel_h, w.in_h);
        for (int ox = 0; ox < w.out_w; ox++, y += w.out_x) {
            int left = ox * w.stride_w - w.pad_left;
            int columns = p4c_min(left + w.kernel_w, w.in_w + p.counted[3]) - p4c_max(left, -p.counted[1]);
            int x0 = p4c_max(left, 0), x1 = p4c_min(left + w.kernel_w, w.in_w);
            int32_t count = (int32_t)((uint32_t)(rows * columns) << p4c_max(p.shift, 0));
            for (int c = 0; c < w.channels; c++) {
                int32_t sum = 0;
                for (int iy = y0; iy < y1; iy++)
                    for (int ix = x0; ix < x1; ix++) sum += x[iy * w.in_y + ix * w.in_x + c];
                sum *= 1 << p4c_max(-p.shift, 0);
                y[c] = (int8_t)p4c_clamp(p4c_divide_half_even(sum, count), p.qmin, p.qmax);
            }
        }
    }
}

#if P4C_PIE
#include "p4c_pie_conv.h"

/* One row of a window; loads go in pairs, so that no maximum waits for its own. */
#define P4C_MAX_POOL_ROW \
    ".rept %[width] / 2\n" \
    PIE_VLD_128_XP(q1, a0, a2) PIE_VLD_128_XP(q2, a0, a2) PIE_VMAX_S8(q0, q0, q1) PIE_VMAX_S8(q0, q0, q2) \
    ".endr\n" \
    ".if %[width] & 1\n" PIE_VLD_128_XP(q1, a0, a2) PIE_VMAX_S8(q0, q0, q1) ".endif\n"

/* `count` windows without padding of one row of 16 channels; kernel sizes are constants. */
P4C_INLINE void p4c_max_pool_pie_run(struct p4c_pool p, const int8_t *input, int8_t *output, int count)
{
    register const int8_t *x __asm__("a0") = input;
    register int8_t *y __asm__("a1") = output;
    register int pixel __asm__("a2") = p.in_x;
    register int out_step __asm__("a3") = p.out_x;
    int row_step = p.in_y - p.kernel_w * p.in_x;
    int next = p.stride_w * p.in_x - (p.kernel_h - 1) * p.in_y - p.kernel_w * p.in_x;
    __asm__ volatile(
        "1:\n"
        PIE_VLD_128_IP(q0, a0, 0)
        ".rept %[height] - 1\n" P4C_MAX_POOL_ROW "add a0, a0, %[row_step]\n" ".endr\n"
        P4C_MAX_POOL_ROW
        "add a0, a0, %[next]\n"
        PIE_VST_128_XP(q0, a1, a3)
        "addi %[count], %[count], -1\n"
        "bnez %[count], 1b\n"
        : "+&r"(x), "+&r"(y), [count] "+&r"(count)
        : "r"(pixel), "r"(out_step), [row_step] "r"(row_step), [next] "r"(next),
          [height] "i"(p.kernel_h), [width] "i"(p.kernel_w)
        : "memory");
}

/* One window of `rows` by `columns` pixels, 1 or more each: what padding leaves of it. */
P4C_INLINE void p4c_max_pool_pie_window(struct p4c_pool p, const int8_t *input, int rows, int columns, int8_t *output)
{
    register const int8_t *x __asm__("a0") = input;
    register int8_t *y __asm__("a1") = output;
    register int pixel __asm__("a2") = p.in_x;
    int row_step = p.in_y - columns * p.in_x, left;
    __asm__ volatile(
        PIE_VLD_128_IP(q0, a0, 0)
        "1:\n"
        "mv %[left], %[columns]\n"
        "2:\n"
        PIE_VLD_128_XP(q1, a0, a2) "addi %[left], %[left], -1\n" PIE_VMAX_S8(q0, q0, q1)
        "bnez %[left], 2b\n"
        "addi %[rows], %[rows], -1\n"
        "add a0, a0, %[row_step]\n"
        "bnez %[rows], 1b\n"
        PIE_VST_128_IP(q0, a1, 16)
        : "+&r"(x), "+&r"(y), [rows] "+&r"(rows), [left] "=&r"(left)
        : "r"(pixel), [columns] "r"(columns), [row_step] "r"(row_step)
        : "memory");
}

/* The PIE maximum: as the scalar one, without dilation, everything aligned to 16 bytes. Windows that padding does not
 * clip run along a row; the others go one by one, in the order of the row, as a result may lie over the input. */
P4C_INLINE void p4c_max_pool_s8(struct p4c_max_pool pool, const int8_t *x, int8_t *y)
{
    struct p4c_pool p = pool.window;
    /* The output columns whose windows are whole. */
    int begin = p4c_min((p.pad_left + p.stride_w - 1) / p.stride_w, p.out_w);
    int room = p.in_w + p.pad_left - p.kernel_w;
    int end = p4c_max(room < 0 ? 0 : p4c_min(room / p.stride_w + 1, p.out_w), begin);
    for (int oy = 0; oy < p.out_h; oy++, y += p.out_w * p.out_x) {
        int top = oy * p.stride_h - p.pad_top;
        int y0 = p4c_max(top, 0), rows = p4c_min(top + p.kernel_h, p.in_h) - y0;
        int whole = rows == p.kernel_h && begin < end;
        for (int c = 0; c < p.channels; c += P4C_LANES) {
            const int8_t *row = x + y0 * p.in_y + c;
            for (int ox = 0; ox < p.out_w; ox++) {
                int left = ox * p.stride_w - p.pad_left;
                if (whole && ox == begin) {
                    p4c_max_pool_pie_run(p, row + left * p.in_x, y + ox * p.out_x + c, end - begin);
                    ox = end - 1;
                    continue;
                }
                int x0 = p4c_max(left, 0), columns = p4c_min(left + p.kernel_w, p.in_w) - x0;
                p4c_max_pool_pie_window(p, row + x0 * p.in_x, rows, columns, y + ox * p.out_x + c);
            }
        }
    }
}

/* QACC += `count` neighbouring pixels of 16 channels, any number from 1 on; q1 holds ones. */
P4C_INLINE void p4c_average_pool_pie_sum(const int8_t *input, int in_x, int count)
{
    register const int8_t *x __asm__("a0") = input;
    register int pixel __asm__("a1") = in_x;
    int pairs = count >> 1, odd = count & 1;
    __asm__ volatile(
        "beqz %[odd], 1f\n"
        PIE_VLD_128_XP(q0, a0, a1) "nop\n" PIE_VMULAS_S8_QACC(q0, q1)
        "1:\n"
        "beqz %[pairs], 3f\n"
        "2:\n"
        PIE_VLD_128_XP(q0, a0, a1) PIE_VLD_128_XP(q2, a0, a1) "addi %[pairs], %[pairs], -1\n"
        PIE_VMULAS_S8_QACC(q0, q1) PIE_VMULAS_S8_QACC(q2, q1)
        "bnez %[pairs], 2b\n"
        "3:\n"
        : "+&r"(x), [pairs] "+&r"(pairs)
        : "r"(pixel), [odd] "r"(odd)
        : "memory");
}

/* QACC = 0, q1 = ones. */
P4C_INLINE void p4c_average_pool_pie_begin(void)
{
    static const int8_t one = 1;
    register const int8_t *x __asm__("a0") = &one;
    __asm__ volatile(PIE_VLDBC_8_IP(q1, a0, 0) PIE_ZERO_QACC() : : "r"(x) : "memory");
}

/* QACC * 2^-shift, half to even, clamped. */
P4C_INLINE void p4c_average_pool_pie_shift(int shift, int qmin, int qmax, int8_t *output)
{
    register int8_t *y __asm__("a0") = output;
    register int amount __asm__("a1") = shift;
    register int low __asm__("a2") = qmin;
    register int high __asm__("a3") = qmax;
    __asm__ volatile(PIE_SRCMB_S8_QACC_RNE(q0, a1) "nop\n" PIE_VSAT_S8(q0, q0, a2, a3) PIE_VST_128_IP(q0, a0, 16)
                     : "+&r"(y)
                     : "r"(amount), "r"(low), "r"(high)
                     : "memory");
}

/* QACC as 16 words. */
P4C_INLINE void p4c_average_pool_pie_words(int32_t *output)
{
    register int32_t *y __asm__("a0") = output;
    __asm__ volatile(PIE_ST_QACC_L_L_128_IP(a0, 16) PIE_ST_QACC_L_H_128_IP(a0, 16)
                     PIE_ST_QACC_H_L_128_IP(a0, 16) PIE_ST_QACC_H_H_128_IP(a0, 16)
                     : "+&r"(y)
                     :
                     : "memory");
}

/* The PIE mean: as the scalar one, everything aligned to 16 bytes. Sums are vectors; a count that is a power of two is a
 * shift, any other one a division of each sum. */
P4C_INLINE void p4c_average_pool_s8(struct p4c_average_pool p, const int8_t *x, int8_t *y)
{
    struct p4c_pool w = p.window;
    p4c_pie_begin(P4C_HALF_EVEN);
    for (int oy = 0; oy < w.out_h; oy++) {
        int top = oy * w.stride_h - w.pad_top;
        int rows = p4c_min(top + w.kernel_h, w.in_h + p.counted[2]) - p4c_max(top, -p.counted[0]);
        int y0 = p4c_max(top, 0), y1 = p4c_min(top + w.kernel_h, w.in_h);
        for (int ox = 0; ox < w.out_w; ox++, y += w.out_x) {
            int left = ox * w.stride_w - w.pad_left;
            int columns = p4c_min(left + w.kernel_w, w.in_w + p.counted[3]) - p4c_max(left, -p.counted[1]);
            int x0 = p4c_max(left, 0), x1 = p4c_min(left + w.kernel_w, w.in_w);
            int32_t count = (int32_t)((uint32_t)(rows * columns) << p4c_max(p.shift, 0));
            int shift = 0;
            while ((1 << shift) < count) shift++;
            /* Whole rows lie behind each other: one run. */
            int whole = x1 - x0 == w.in_w, runs = whole ? p4c_min(y1 - y0, 1) : y1 - y0;
            int length = whole ? (y1 - y0) * w.in_w : x1 - x0;
            for (int c = 0; c < w.channels; c += P4C_LANES) {
                const int8_t *row = x + y0 * w.in_y + x0 * w.in_x + c;
                p4c_average_pool_pie_begin();
                for (int run = 0; run < runs && length > 0; run++, row += w.in_y)
                    p4c_average_pool_pie_sum(row, w.in_x, length);
                if (p.shift >= 0 && 1 << shift == count) {
                    p4c_average_pool_pie_shift(shift, p.qmin, p.qmax, y + c);
                    continue;
                }
                int32_t sums[P4C_LANES] __attribute__((aligned(16)));
                p4c_average_pool_pie_words(sums);
                for (int i = 0; i < P4C_LANES; i++) {
                    int32_t sum = sums[i] * (1 << p4c_max(-p.shift, 0));
                    y[c + i] = (int8_t)p4c_clamp(p4c_divide_half_even(sum, count), p.qmin, p.qmax);
                }
            }
        }
    }
}
#endif

#endif
