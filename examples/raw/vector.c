/* Functions to try on a board: board.jit("vector.c", "dot"). See docs/raw-functions.md. */
#include <stdint.h>

int32_t add(int32_t a, int32_t b) { return a + b; }

int64_t dot(const int8_t *x, const int8_t *y, int n)
{
    int64_t sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* y[i] = x[i] * factor + y[i] */
void axpy(float factor, const float *x, float *y, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) y[i] += factor * x[i];
}

/* How often it has been called: variables keep their values from call to call. */
uint32_t count(void)
{
    static uint32_t calls;
    return ++calls;
}
