/* What compilers may call around a raw function where there is no C library; the sources may have their own. */
#ifndef P4C_RAW_MEMORY_H
#define P4C_RAW_MEMORY_H

#pragma weak memcpy
#pragma weak memset
#include "p4c_support.h"

__attribute__((used, weak)) void *memmove(void *to, const void *from, size_t count)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    if (out < in) {
        while (count--) *out++ = *in++;
    } else {
        while (count--) out[count] = in[count];
    }
    return to;
}

__attribute__((used, weak)) int memcmp(const void *a, const void *b, size_t count)
{
    const unsigned char *x = a, *y = b;
    for (; count--; x++, y++) {
        if (*x != *y) return *x < *y ? -1 : 1;
    }
    return 0;
}

#endif
