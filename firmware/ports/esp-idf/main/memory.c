/* memory.c: the three kinds of memory from IDF's heaps, and the caches between data and code. */
#include "board.h"

#include "esp_cache.h"
#include "esp_heap_caps.h"

/* Tightly coupled memory, which no cache is in front of. */
enum { TCM = 0x30100000, TCM_END = TCM + 8192 };

/* What stays free in internal memory for the system: task stacks, drivers. */
enum { RESERVED = 64 * 1024 };

/* IDF 6 calls tightly coupled memory scratch-pad memory. */
#ifdef MALLOC_CAP_SPM
#define CAP_TCM MALLOC_CAP_SPM
#else
#define CAP_TCM MALLOC_CAP_TCM
#endif

/* By kind. Of internal memory only L2MEM transfers 128 bits at once. */
static const uint32_t CAPS[P4C_KINDS] = {0, MALLOC_CAP_INTERNAL | MALLOC_CAP_SIMD, MALLOC_CAP_SPIRAM, CAP_TCM};

static uint32_t less_reserved(enum p4c_kind kind, uint32_t size)
{
    if (kind != P4C_L2MEM) return size;
    return size > RESERVED ? size - RESERVED : 0;
}

void memory_heap(void *context, enum p4c_kind kind, struct p4c_heap *heap)
{
    (void)context;
    *heap = (struct p4c_heap){
        .total = (uint32_t)heap_caps_get_total_size(CAPS[kind]),
        .free = less_reserved(kind, (uint32_t)heap_caps_get_free_size(CAPS[kind])),
    };
    heap->largest = (uint32_t)heap_caps_get_largest_free_block(CAPS[kind]);
    if (heap->largest > heap->free) heap->largest = heap->free;
}

uint32_t memory_alloc(void *context, enum p4c_kind kind, uint32_t size, uint32_t alignment)
{
    struct p4c_heap heap;
    memory_heap(context, kind, &heap);
    if (size > heap.largest) return 0;
    return (uint32_t)(uintptr_t)heap_caps_aligned_alloc(alignment, size, CAPS[kind]);
}

void memory_free(void *context, uint32_t address)
{
    (void)context;
    heap_caps_free((void *)(uintptr_t)address);
}

uint8_t *memory_at(void *context, uint32_t address, uint32_t size)
{
    (void)context, (void)size;
    return (uint8_t *)(uintptr_t)address;
}

/* As esp_cache.h has it for code: what was written goes from the data caches to memory, and what instruction
 * caches have of it is dropped. */
void memory_sync(void *context, uint32_t address, uint32_t size)
{
    (void)context;
    if (address >= TCM && address < TCM_END) return;
    void *start = (void *)(uintptr_t)address;
    ESP_ERROR_CHECK(esp_cache_msync(start, size, ESP_CACHE_MSYNC_FLAG_DIR_C2M));
    ESP_ERROR_CHECK(esp_cache_msync(start, size, ESP_CACHE_MSYNC_FLAG_DIR_M2C | ESP_CACHE_MSYNC_FLAG_TYPE_INST));
}
