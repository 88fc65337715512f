/* What all kernels share: types, inlining, rounding. See docs/kernels.md.
 *
 * A kernel is an always-inline function of a constant parameter record: generated code passes a compound literal, and
 * the C compiler specializes the kernel for the layer. Activations are channels-last (NHWC), one image at a time.
 */
#ifndef P4C_KERNEL_H
#define P4C_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define P4C_INLINE static inline __attribute__((always_inline))

/* One specialized layer: a function of its own, so that a debugger and a profile can name it. */
#define P4C_LAYER static __attribute__((noinline))

#if defined(__clang__)
#define P4C_UNROLL _Pragma("clang loop unroll(full)")
#define P4C_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define P4C_UNROLL _Pragma("GCC unroll 16")
#define P4C_ROLLED _Pragma("GCC unroll 1")
#endif

/* Weights are packed in blocks of 16 output channels, the lanes of a vector register. */
#define P4C_LANES 16

/* Rounding modes of a shift, numbered as the chip's vxrm field. */
enum p4c_rounding { P4C_FLOOR = 0, P4C_HALF_EVEN = 6 };

/* How accumulators become stored bytes: (acc >> shift), rounded, clamped to qmin..qmax.
 *
 * `shifts` and `roundings` hold one entry per output channel where the layer's channels differ; where they are NULL
 * every channel uses `shift` and `rounding`. `per_channel` says, as a constant, that there are `shifts`, and `mixed` that
 * there are `roundings`; `raw` stores the int32 accumulators themselves.
 */
struct p4c_requantize {
    int shift;
    int per_channel;
    int rounding;
    int mixed;
    int qmin;
    int qmax;
    int raw;
};

P4C_INLINE int p4c_min(int a, int b) { return a < b ? a : b; }
P4C_INLINE int p4c_max(int a, int b) { return a > b ? a : b; }
P4C_INLINE int p4c_clamp(int value, int low, int high) { return p4c_min(p4c_max(value, low), high); }

/* acc * 2^-shift, rounded. |acc| < 2^30. A negative shift multiplies, and saturates beyond the 16 bits that any
 * clamp to a byte keeps apart. */
P4C_INLINE int32_t p4c_shift_round(int32_t acc, int shift, int rounding)
{
    if (shift < 0)
        return p4c_clamp(acc, -32768, 32767) * (1 << p4c_min(-shift, 15));
    if (shift == 0 || rounding == P4C_FLOOR)
        return acc >> shift;
    /* Half to even: adding one less than a half, plus one if the quotient is odd, carries exactly when due. */
    int32_t below_half = (int32_t)((1u << (shift - 1)) - 1);
    return (acc + below_half + ((acc >> shift) & 1)) >> shift;
}

/* Positions first..last, the last not included. */
struct p4c_span {
    int first, last;
};

/* The kernel rows (or columns) of one output row (or column) that lie inside an image of `size`. */
P4C_INLINE struct p4c_span p4c_taps_inside(int output, int stride, int pad, int dilation, int kernel, int size)
{
    int before = pad - output * stride;
    int first = p4c_max(0, (before + dilation - 1) / dilation);
    return (struct p4c_span){first, p4c_max(first, p4c_min(kernel, (size + before + dilation - 1) / dilation))};
}

/* The output columns (or rows) whose whole kernel lies inside an image of `size`. */
P4C_INLINE struct p4c_span p4c_whole_kernels(int outputs, int stride, int pad, int dilation, int kernel, int size)
{
    int first = p4c_min(outputs, (pad + stride - 1) / stride);
    int last = size - 1 - (kernel - 1) * dilation + pad;
    return (struct p4c_span){first, last < 0 ? first : p4c_clamp(last / stride + 1, first, outputs)};
}

/* Store the accumulator of output channel `channel` at y[index], requantized as the record says. */
P4C_INLINE void p4c_store(struct p4c_requantize r, const int8_t *shifts, const int8_t *roundings, int32_t acc,
                          int channel, void *y, int index)
{
    if (r.raw) {
        ((int32_t *)y)[index] = acc;
        return;
    }
    int shift = shifts ? shifts[channel] : r.shift;
    int rounding = roundings ? roundings[channel] : r.rounding;
    ((int8_t *)y)[index] = (int8_t)p4c_clamp(p4c_shift_round(acc, shift, rounding), r.qmin, r.qmax);
}

#endif
