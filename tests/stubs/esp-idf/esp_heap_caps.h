/* Written from the signatures of components/heap/include/esp_heap_caps.h, IDF 5.5.4 and 6.0.2. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "esp_idf_version.h"

#define MALLOC_CAP_EXEC (1 << 0)
#define MALLOC_CAP_8BIT (1 << 2)
#define MALLOC_CAP_SPIRAM (1 << 10)
#define MALLOC_CAP_INTERNAL (1 << 11)
#define MALLOC_CAP_SIMD (1 << 20)
#if ESP_IDF_VERSION_MAJOR < 6
#define MALLOC_CAP_TCM (1 << 16)
#else
#define MALLOC_CAP_SPM (1 << 16)
#define MALLOC_CAP_TCM MALLOC_CAP_SPM _Pragma("GCC warning \"MALLOC_CAP_TCM is deprecated\"")
#endif

void *heap_caps_aligned_alloc(size_t alignment, size_t size, uint32_t caps);
void *heap_caps_malloc(size_t size, uint32_t caps);
void heap_caps_free(void *block);
size_t heap_caps_get_total_size(uint32_t caps);
size_t heap_caps_get_free_size(uint32_t caps);
size_t heap_caps_get_largest_free_block(uint32_t caps);
