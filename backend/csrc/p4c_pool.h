/* Pooling of int8, NHWC. */
#ifndef P4C_POOL_H
#define P4C_POOL_H

#include "p4c_kernel.h"

struct p4c_pool {
    int in_h, in_w, channels;
    int out_h, out_w;
    int kernel_h, kernel_w;
    int stride_h, stride_w;
    int pad_top, pad_left;
};

/* The scalar maximum: x [in_h][in_w][channels], y [out_h][out_w][channels]. Pads never win. */
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
                    for (int ix = x0; ix < x1; ix++) best = p4c_max(best, x[(iy * p.in_w + ix) * p.channels + c]);
                *y++ = (int8_t)best;
            }
        }
    }
}

#endif
