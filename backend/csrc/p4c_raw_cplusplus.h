/* What C++ needs around a raw function: its constructors run before the first call, destructors never. */
#ifndef P4C_RAW_CPLUSPLUS_H
#define P4C_RAW_CPLUSPLUS_H

#include <stdbool.h>

/* Set by raw.ld. */
extern void (*const p4c_constructors[])(void);
extern void (*const p4c_constructors_end[])(void);

__attribute__((weak)) void *__dso_handle;
__attribute__((weak)) int __cxa_atexit(void (*destroy)(void *), void *object, void *handle)
{
    (void)destroy, (void)object, (void)handle;
    return 0;
}

static void p4c_raw_construct(void)
{
    static bool done;
    void (*const *each)(void) = p4c_constructors;
    /* Compilers may hold two arrays to be different, but there may be none. */
    __asm__("" : "+r"(each));
    for (; !done && each != p4c_constructors_end; each++) (*each)();
    done = true;
}

#endif
