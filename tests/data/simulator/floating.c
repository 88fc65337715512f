/* Floating-point work for the simulator's comparison with unicorn: a softmax over its own exp, a
 * Newton iteration, square roots, conversions both ways, comparisons. */
float logits[64], weights[64], roots[64];
int integers[64];
unsigned naturals[64];
float total;

static float exponential(float x) {
    int whole = (int)(x * 1.44269504f + (x < 0 ? -0.5f : 0.5f));
    float rest = x - (float)whole * 0.69314718f;
    float power = 1.0f, sum = 1.0f;
    for (int i = 1; i < 10; i++) {
        power = power * rest / (float)i;
        sum += power;
    }
    for (; whole > 0; whole--) sum *= 2.0f;
    for (; whole < 0; whole++) sum *= 0.5f;
    return sum;
}

static float cube_root(float x) {
    float guess = x > 1.0f ? x / 3.0f : x;
    for (int i = 0; i < 30; i++) guess = (2.0f * guess + x / (guess * guess)) / 3.0f;
    return guess;
}

int entry(void) {
    float largest = -1e30f;
    for (int i = 0; i < 64; i++) {
        logits[i] = (float)((i * 37) % 64) * 0.17f - 3.5f;
        if (logits[i] > largest) largest = logits[i];
    }
    for (int i = 0; i < 64; i++) {
        weights[i] = exponential(logits[i] - largest);
        total += weights[i];
    }
    for (int i = 0; i < 64; i++) {
        weights[i] /= total;
        roots[i] = __builtin_sqrtf(weights[i]) - cube_root(weights[i]) + __builtin_fabsf(logits[i]);
        integers[i] = (int)(logits[i] * 1e8f);
        naturals[i] = (unsigned)(weights[i] * 1e10f);
        roots[i] += (float)integers[i] * 1e-9f + (float)naturals[i];
    }
    return total > 1.0f;
}
