/* heap.h: memory by ranges: each kind is one range of addresses, and an allocation is a range in it, first fit.
 *
 * Nothing is written into the memory itself, so a program that runs wild cannot damage the table.
 */
#ifndef P4C_SIM_HEAP_H
#define P4C_SIM_HEAP_H

#include "p4c_memory.h"

/* As many as the core's table can hold. */
enum { HEAP_RANGES = P4C_MAX_ALLOCATIONS };

struct heap_range {
    uint32_t start;
    uint32_t end;
};

struct heap {
    struct heap_range whole;
    uint32_t count;
    struct heap_range taken[HEAP_RANGES]; /* by address */
};

/* The address of a block of `size` bytes, not 0, or 0 where there is no gap for it. */
uint32_t heap_alloc(struct heap *heap, uint32_t size, uint32_t alignment);
/* Whether there was a block at this address; it is free then. */
int heap_free(struct heap *heap, uint32_t address);
void heap_measure(const struct heap *heap, struct p4c_heap *result);

#endif
