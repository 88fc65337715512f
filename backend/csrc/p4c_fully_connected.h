/* Fully connected layer of int8 with requantization. */
#ifndef P4C_FULLY_CONNECTED_H
#define P4C_FULLY_CONNECTED_H

#include "p4c_kernel.h"

struct p4c_fully_connected {
    int inputs, outputs;
    struct p4c_requantize requantize;
};

/* The scalar form.
 *
 * x     [inputs], in the physical order of the tensor that was flattened
 * w     [ceil(outputs / 16)][inputs][16], zeros beyond `outputs`
 * bias, shifts, roundings   per output, padded to a multiple of 16; the last two may be NULL
 * y     [outputs], int8 or, raw, int32
 *
 * Each weight is used once, so sixteen outputs at a time share the load of their input.
 */
P4C_INLINE void p4c_fully_connected_s8_ref(struct p4c_fully_connected p, const int8_t *x, const int8_t *w,
                                           const int32_t *bias, const int8_t *shifts, const int8_t *roundings, void *y)
{
    for (int channel = 0; channel < p.outputs; channel += P4C_LANES) {
        int32_t acc[P4C_LANES];
        P4C_UNROLL for (int j = 0; j < P4C_LANES; j++) acc[j] = bias[channel + j];
        for (int k = 0; k < p.inputs; k++, w += P4C_LANES)
            P4C_UNROLL for (int j = 0; j < P4C_LANES; j++) acc[j] += x[k] * w[j];
        P4C_UNROLL for (int j = 0; j < P4C_LANES; j++)
            if (channel + j < p.outputs)
                p4c_store(p.requantize, shifts, roundings, acc[j], channel + j, y, channel + j);
    }
}

#if P4C_PIE
#include "p4c_pie_conv.h"

/* Taps per trip: two are as fast as more. */
#define P4C_FULLY_CONNECTED_TAPS 2

/* The PIE form: one pixel of a 1x1 convolution. x, w and y are aligned to 16 bytes, inputs are whole vectors. The last
 * block's output goes through a buffer, because y ends where the outputs end. */
P4C_INLINE void p4c_fully_connected_s8(struct p4c_fully_connected p, const int8_t *x, const int8_t *w,
                                           const int32_t *bias, const int8_t *shifts, const int8_t *roundings, void *y)
{
    p4c_pie_begin(p.requantize.rounding);
    int vectors = p.inputs / P4C_LANES;
    int taps = vectors % P4C_FULLY_CONNECTED_TAPS ? 1 : P4C_FULLY_CONNECTED_TAPS;
    struct p4c_pie_run r = {.unroll = 1, .loops = vectors / taps, .repeats = 1, .full = taps};
    int32_t lanes[P4C_LANES] __attribute__((aligned(16)));
    int whole = p.requantize.raw || p.requantize.mixed ? 0 : p.outputs / P4C_LANES;
    if (whole > 0)
        p4c_pie_blocks_run(r, p.requantize, shifts, whole, x, w, bias, y);
    w += whole * p.inputs * P4C_LANES;
    P4C_ROLLED for (int channel = whole * P4C_LANES; channel < p.outputs; channel += P4C_LANES) {
        int valid = p4c_min(P4C_LANES, p.outputs - channel);
        if (p.requantize.raw) {
            p4c_pie_accumulate(r, x, w, bias + channel, lanes);
            for (int j = 0; j < valid; j++) ((int32_t *)y)[channel + j] = lanes[j];
        } else {
            int8_t *out = valid == P4C_LANES ? (int8_t *)y + channel : (int8_t *)lanes;
            p4c_pie_conv_run(r, p.requantize, shifts ? shifts + channel : NULL, roundings ? roundings + channel : NULL, 1, 1, x, w,
                             bias + channel, out);
            if (valid < P4C_LANES)
                for (int j = 0; j < valid; j++) ((int8_t *)y)[channel + j] = ((int8_t *)lanes)[j];
        }
        w += p.inputs * P4C_LANES;
    }
}
#endif

#endif
