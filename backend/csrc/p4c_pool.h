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

/* The scalar maximum: Pads never win. */
P4C_INLINE void p4c_max_pool_s8_ref(struct p4c_pool p, const int8_t *x, int8_t *y)
{
    for (int oy = 0; oy < p.out_h; oy++) {
        int y0 = p4c_max(oy * p.stride_h - p.pad_top, 0);
        int y1 = p4c_min(oy * p.stride_h - p.pad_top + p.kernel_h, p.in_h);
        for (int ox = 0; ox < p.out_w; ox++) {
            int x0 = p4c_max(ox * p.stride_w - p.pad_left, 0);
            int x1 = p4c_min(ox * p.stride_w - p.pad_left + p.kernel_w, p.in_w);
            for (int c = 0; c < p.channels; c++) {
                int best = INT8_MIN;
                for (int iy = y0; iy < y1; iy++)
                    for (int ix = x0; ix < x1; ix++) best = p4c_max(best, x[iy * p.in_y + ix * p.in_x + c]);
                y[c] = (int8_t)best;
            }
            y += p.out_x;
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
#include "p4c_pie.h"

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

/* The PIE maximum: as the scalar one, without padding, everything aligned to 16 bytes. */
P4C_INLINE void p4c_max_pool_s8(struct p4c_pool p, const int8_t *x, int8_t *y)
{
    for (int oy = 0; oy < p.out_h; oy++)
        for (int c = 0; c < p.channels; c += P4C_LANES)
            p4c_max_pool_pie_run(p, x + oy * p.stride_h * p.in_y + c, y + oy * p.out_w * p.out_x + c, p.out_w);
}
#endif

#endif
