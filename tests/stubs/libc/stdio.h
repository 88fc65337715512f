/* The part of the C library that our code uses where a toolchain has none. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

__attribute__((format(printf, 1, 2))) int printf(const char *format, ...);
__attribute__((format(printf, 3, 0))) int vsnprintf(char *text, size_t size, const char *format, va_list arguments);
