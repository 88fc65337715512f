/* support.c: what the compiler calls where there is no C library. */
#include <stddef.h>
#include <stdint.h>

/* A word of bytes of any type. */
typedef uint32_t __attribute__((may_alias)) word;

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    if ((((uintptr_t)out | (uintptr_t)in) & 3) == 0) {
        for (; count >= 4; out += 4, in += 4, count -= 4) *(word *)out = *(const word *)in;
    }
    while (count--) *out++ = *in++;
    return to;
}

void *memset(void *to, int value, size_t count)
{
    unsigned char *out = to;
    while (count--) *out++ = (unsigned char)value;
    return to;
}
