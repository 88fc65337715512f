/* The digits network in the manner of P4-JIT's MNIST program: every layer rounds down, biases lie on the weights' grid. */
#include <stdint.h>
#include <stdio.h>

static int8_t kept(int32_t sum, int shift)
{
    const int32_t x = sum > 0 ? sum >> shift : 0;
    return (int8_t)(x > 127 ? 127 : x);
}

static int8_t *conv(const int8_t *in, int channels, int size, const int8_t *w, const int8_t *b, int filters, int bias_shift,
                    int shift, int8_t *out)
{
    for (int f = 0; f < filters; f++) {
        for (int at = 0; at < size * size; at++) {
            int32_t sum = b[f] * (1 << bias_shift);
            for (int k = 0; k < channels * 9; k++) {
                const int y = at / size + k % 9 / 3 - 1, x = at % size + k % 3 - 1;
                if (y >= 0 && y < size && x >= 0 && x < size) {
                    sum += in[k / 9 * size * size + y * size + x] * w[f * channels * 9 + k];
                }
            }
            *out++ = kept(sum, shift);
        }
    }
    return out;
}

static int8_t *pool(const int8_t *in, int channels, int size, int8_t *out)
{
    for (int row = 0; row < channels * size; row += 2) {
        for (int x = 0; x < size; x += 2) {
            const int8_t *at = in + row * size + x;
            const int8_t top = at[0] > at[1] ? at[0] : at[1], low = at[size] > at[size + 1] ? at[size] : at[size + 1];
            *out++ = top > low ? top : low;
        }
    }
    return out;
}

int32_t mnist_inference(int8_t *image, int8_t *w1, int8_t *b1, int8_t *w2, int8_t *b2, int8_t *w3, int8_t *b3,
                        int32_t in, int32_t in_w, int32_t mid, int32_t mid_w, int32_t last, int32_t last_w,
                        int8_t *scratch, uint32_t *cycles)
{
    printf("begins\n");
    int8_t *first = scratch, *pooled = conv(image, 1, 8, w1, b1, 16, in, in + in_w - mid, first);
    int8_t *second = pool(first, 16, 8, pooled);
    int8_t *small = conv(pooled, 16, 4, w2, b2, 32, mid, mid + mid_w - last, second);
    int32_t *logits = (int32_t *)pool(second, 32, 4, small);
    int32_t best = 0;
    for (int i = 0; i < 10; i++) {
        logits[i] = b3[i] * (1 << last);
        for (int j = 0; j < 128; j++) logits[i] += small[j] * w3[128 * i + j];
        if (logits[i] > logits[best]) best = i;
    }
    cycles[0] = 1;
    return best;
}
