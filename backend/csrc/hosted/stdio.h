/* Printing, declared only: the firmware has it, or nobody. There are no files. */
#ifndef P4C_HOSTED_STDIO_H
#define P4C_HOSTED_STDIO_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

int printf(const char *__restrict format, ...);
int sprintf(char *__restrict to, const char *__restrict format, ...);
int snprintf(char *__restrict to, size_t size, const char *__restrict format, ...);
int vprintf(const char *__restrict format, va_list values);
int vsnprintf(char *__restrict to, size_t size, const char *__restrict format, va_list values);
int sscanf(const char *__restrict from, const char *__restrict format, ...);
int puts(const char *text);
int putchar(int letter);

#ifdef __cplusplus
}
#endif
#endif
