/* heap.c: first fit over a sorted table of ranges. */
#include "heap.h"

/* The gap in front of the range with this number, or behind the last one. */
static struct heap_range gap_before(const struct heap *heap, uint32_t number)
{
    struct heap_range gap = heap->whole;
    if (number > 0) gap.start = heap->taken[number - 1].end;
    if (number < heap->count) gap.end = heap->taken[number].start;
    return gap;
}

uint32_t heap_alloc(struct heap *heap, uint32_t size, uint32_t alignment)
{
    if (size == 0 || heap->count == HEAP_RANGES) return 0;
    for (uint32_t i = 0; i <= heap->count; i++) {
        struct heap_range gap = gap_before(heap, i);
        uint32_t start = (gap.start + alignment - 1) & ~(alignment - 1);
        if (start < gap.start || start > gap.end || size > gap.end - start) continue;
        for (uint32_t k = heap->count++; k > i; k--) heap->taken[k] = heap->taken[k - 1];
        heap->taken[i] = (struct heap_range){start, start + size};
        return start;
    }
    return 0;
}

int heap_free(struct heap *heap, uint32_t address)
{
    for (uint32_t i = 0; i < heap->count; i++) {
        if (heap->taken[i].start != address) continue;
        heap->count--;
        for (; i < heap->count; i++) heap->taken[i] = heap->taken[i + 1];
        return 1;
    }
    return 0;
}

void heap_measure(const struct heap *heap, struct p4c_heap *result)
{
    *result = (struct p4c_heap){.total = heap->whole.end - heap->whole.start};
    for (uint32_t i = 0; i <= heap->count; i++) {
        struct heap_range gap = gap_before(heap, i);
        uint32_t size = gap.end - gap.start;
        result->free += size;
        if (size > result->largest) result->largest = size;
    }
}
