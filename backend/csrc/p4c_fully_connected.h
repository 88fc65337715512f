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

#endif
