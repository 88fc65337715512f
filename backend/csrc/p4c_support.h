/* What the compiler may call where there is no C library. */
#ifndef P4C_SUPPORT_H
#define P4C_SUPPORT_H

#include <stddef.h>

__attribute__((used)) void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    while (count--) *out++ = *in++;
    return to;
}

__attribute__((used)) void *memset(void *to, int value, size_t count)
{
    unsigned char *out = to;
    while (count--) *out++ = (unsigned char)value;
    return to;
}

#endif
