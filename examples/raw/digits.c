/* digits.c: the digits network written by hand, without SIMD, for digits.py to run with board.jit.
 *
 * Activations lie as [channel][row][column]. A bias is given in half units of the accumulator, rounded down to an odd
 * number where it lies between two of them: then the rounding, half to even, is exact for biases that are no integers.
 */
#include <stdint.h>

enum { SIZE = 8, CHANNELS1 = 16, CHANNELS2 = 32, CLASSES = 10, TAPS = 3 };

typedef int8_t activation;

/* x / 2^shift, half to even. */
static int32_t shifted(int32_t x, int shift)
{
    const int32_t down = x >> shift, rest = x - (down << shift), half = 1 << (shift - 1);
    return down + (rest > half || (rest == half && (down & 1)));
}

/* ReLU, and what an activation holds. */
static activation clamped(int32_t x)
{
    return (activation)(x < 0 ? 0 : x > 127 ? 127 : x);
}

/* The sum of 3x3 taps around a pixel over all channels; beside the image there are zeros. */
static int32_t window(const activation *in, int channels, int size, const int8_t *weights, int row, int column)
{
    int32_t sum = 0;
    for (int channel = 0; channel < channels; channel++) {
        for (int i = 0; i < TAPS; i++) {
            for (int j = 0; j < TAPS; j++, weights++) {
                const int y = row + i - 1, x = column + j - 1;
                if (y >= 0 && y < size && x >= 0 && x < size) sum += in[(channel * size + y) * size + x] * *weights;
            }
        }
    }
    return sum;
}

static void conv_relu(const activation *in, int channels, int size, const int8_t *weights, const int32_t *half_bias,
                      int shift, activation *out, int filters)
{
    for (int filter = 0; filter < filters; filter++, weights += channels * TAPS * TAPS) {
        for (int row = 0; row < size; row++) {
            for (int column = 0; column < size; column++) {
                const int32_t twice = 2 * window(in, channels, size, weights, row, column) + half_bias[filter];
                *out++ = clamped(shifted(twice, shift + 1));
            }
        }
    }
}

static activation larger(activation a, activation b) { return a > b ? a : b; }

/* The largest of each 2x2 pixels. */
static void max_pool(const activation *in, int channels, int size, activation *out)
{
    for (int row = 0; row < channels * size; row += 2, in += 2 * size) {
        for (int column = 0; column < size; column += 2) {
            *out++ = larger(larger(in[column], in[column + 1]), larger(in[size + column], in[size + column + 1]));
        }
    }
}

static void fully_connected(const activation *in, int count, const int8_t *weights, const float *bias, float scale,
                            float *out, int classes)
{
    for (int i = 0; i < classes; i++) {
        int32_t sum = 0;
        for (int j = 0; j < count; j++) sum += in[j] * *weights++;
        out[i] = (float)sum * scale + bias[i];
    }
}

/* Bytes that digits() needs for its activations. */
uint32_t scratch_bytes(void)
{
    return CHANNELS1 * SIZE * SIZE * 5 / 4 + CHANNELS2 * SIZE * SIZE / 4 * 5 / 4;
}

/* The whole network for one image: the class, and the logits. */
int32_t digits(const activation image[SIZE * SIZE],
               const int8_t *weights1, const int32_t *half_bias1, int shift1,
               const int8_t *weights2, const int32_t *half_bias2, int shift2,
               const int8_t *weights3, const float *bias3, float scale,
               activation *scratch, float logits[CLASSES])
{
    activation *conv1 = scratch, *pool1 = conv1 + CHANNELS1 * SIZE * SIZE;
    activation *conv2 = pool1 + CHANNELS1 * SIZE * SIZE / 4, *pool2 = conv2 + CHANNELS2 * SIZE * SIZE / 4;
    conv_relu(image, 1, SIZE, weights1, half_bias1, shift1, conv1, CHANNELS1);
    max_pool(conv1, CHANNELS1, SIZE, pool1);
    conv_relu(pool1, CHANNELS1, SIZE / 2, weights2, half_bias2, shift2, conv2, CHANNELS2);
    max_pool(conv2, CHANNELS2, SIZE / 2, pool2);
    fully_connected(pool2, CHANNELS2 * SIZE * SIZE / 16, weights3, bias3, scale, logits, CLASSES);
    int32_t best = 0;
    for (int i = 1; i < CLASSES; i++) {
        if (logits[i] > logits[best]) best = i;
    }
    return best;
}
