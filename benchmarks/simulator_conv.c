/* An int8 convolution as a straightforward kernel has it, 3x3 over 16 channels: what the simulator's
 * speed is measured with. Its inner loop is lb, lb, addi, mul, add, addi, bne. */
enum { SIZE = 14, CHANNELS = 16, OUTPUTS = 32, TAPS = 3, PADDED = SIZE + TAPS - 1 };

signed char input[PADDED * PADDED * CHANNELS];
signed char weights[OUTPUTS * TAPS * TAPS * CHANNELS];
signed char output[SIZE * SIZE * OUTPUTS];
int bias[OUTPUTS];

static int clamp(int value) { return value > 127 ? 127 : value < -128 ? -128 : value; }

static int tap(const signed char *pixel, const signed char *weight) {
    int sum = 0;
#pragma nounroll
    for (int c = 0; c < CHANNELS; c++) sum += pixel[c] * weight[c];
    return sum;
}

int entry(void) {
    for (unsigned i = 0; i < sizeof input; i++) input[i] = (signed char)(i * 89);
    for (unsigned i = 0; i < sizeof weights; i++) weights[i] = (signed char)(i * 37 + 11);
    for (int position = 0; position < SIZE * SIZE; position++) {
        const signed char *pixel = input + (position / SIZE * PADDED + position % SIZE) * CHANNELS;
        for (int k = 0; k < OUTPUTS; k++) {
            const signed char *weight = weights + k * TAPS * TAPS * CHANNELS;
            int sum = bias[k];
            for (int t = 0; t < TAPS * TAPS; t++) {
                sum += tap(pixel + (t / TAPS * PADDED + t % TAPS) * CHANNELS, weight + t * CHANNELS);
            }
            output[position * OUTPUTS + k] = (signed char)clamp((sum + 1024) >> 11);
        }
    }
    return output[0];
}
