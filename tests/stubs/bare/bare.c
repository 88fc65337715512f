/* bare.c: just enough of ESP-IDF for an exported component and its example to run on the simulated chip. */
#include "bare.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "esp_heap_caps.h"

#define UART_FIFO (*(volatile uint32_t *)0x500ca000)

/* Made by the linker. */
extern uint8_t bare_internal_heap[];

static uintptr_t internal_end, psram_end = 0x48000000;
int bare_blocks;

/* The number of the allocation that finds no memory. */
#ifndef BARE_FAILS_AT
#define BARE_FAILS_AT 0
#endif

/* Memory is never used again. */
void *heap_caps_aligned_alloc(size_t alignment, size_t size, uint32_t caps)
{
    uintptr_t *end = caps & MALLOC_CAP_SPIRAM ? &psram_end : &internal_end;
    uintptr_t limit = caps & MALLOC_CAP_SPIRAM ? 0x4a000000 : 0x4ffb0000;
    if (internal_end == 0) internal_end = (uintptr_t)bare_internal_heap;
    uintptr_t start = (*end + alignment - 1) & ~(alignment - 1);
    static int count;
    if (++count == BARE_FAILS_AT || size > limit - start) return NULL;
    *end = start + size;
    bare_blocks++;
    return (void *)start;
}

void heap_caps_free(void *block)
{
    if (block != NULL) bare_blocks--;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < count; i++)
        if (x[i] != y[i]) return x[i] - y[i];
    return 0;
}

static int put(const char *text)
{
    int count = 0;
    for (; text[count] != 0; count++) UART_FIFO = (unsigned char)text[count];
    return count;
}

static int put_number(unsigned long value, int negative)
{
    char digits[12];
    int at = sizeof digits;
    digits[--at] = 0;
    do digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    if (negative) digits[--at] = '-';
    return put(digits + at);
}

/* %s, %d and %lu, which is what the example prints. */
int printf(const char *format, ...)
{
    va_list arguments;
    int count = 0;
    va_start(arguments, format);
    for (const char *at = format; *at != 0; at++) {
        if (*at != '%') {
            UART_FIFO = (unsigned char)*at;
            count++;
        } else if (at[1] == 's') {
            count += put(va_arg(arguments, const char *));
            at++;
        } else if (at[1] == 'd') {
            int value = va_arg(arguments, int);
            count += put_number(value < 0 ? -(unsigned long)value : (unsigned long)value, value < 0);
            at++;
        } else if (at[1] == 'l' && at[2] == 'u') {
            count += put_number(va_arg(arguments, unsigned long), 0);
            at += 2;
        }
    }
    va_end(arguments);
    return count;
}
