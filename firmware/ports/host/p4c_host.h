/* p4c_host.h: a board within a process, for the tests and the fuzzer.
 *
 * Every block that the core allocates is a malloc of its own, of exactly its size, and its address is a number that
 * leads nowhere else. So an address sanitizer sees the first byte out of bounds, and whatever the core asks `memory`
 * for that is not wholly inside one live block ends the process. The clock stands still until it is told to move, and what
 * "running code" does is the user's function.
 */
#ifndef P4C_HOST_H
#define P4C_HOST_H

#include "p4c_core.h"

#if defined(_WIN32)
#define P4C_HOST_API __declspec(dllexport)
#else
#define P4C_HOST_API __attribute__((visibility("default")))
#endif

/* What running code does: the result goes to `result`; returns as the port's `call`. It may call p4c_host_receive, which
 * then are bytes that arrive while code runs. */
struct p4c_host;
typedef int (*p4c_host_call)(struct p4c_host *host, uint32_t address, uint32_t limit_ms,
                             struct p4c_call_result *result);

/* A board of a chip revision with 448 KB of L2MEM, 4 MB of PSRAM, 8 KB of TCM and packet buffers of `payload` bytes,
 * at least 4096; NULL without memory. `call` may be NULL: then functions return 0 and models succeed. */
P4C_HOST_API struct p4c_host *p4c_host_create(uint32_t chip_major, uint32_t payload, p4c_host_call call);
P4C_HOST_API void p4c_host_destroy(struct p4c_host *host);

/* Bytes to the board, and up to `capacity` of those it has sent since. */
P4C_HOST_API void p4c_host_receive(struct p4c_host *host, const uint8_t *data, uint32_t size);
P4C_HOST_API uint32_t p4c_host_take(struct p4c_host *host, uint8_t *data, uint32_t capacity);

/* Time passes. */
P4C_HOST_API void p4c_host_pass_time(struct p4c_host *host, uint32_t milliseconds);

/* The bytes at an address of a block, or NULL. */
P4C_HOST_API uint8_t *p4c_host_memory(struct p4c_host *host, uint32_t address, uint32_t size);

/* For p4c_host_call: whether CANCEL came. */
P4C_HOST_API int p4c_host_cancelled(const struct p4c_host *host);

/* Blocks that are allocated, and calls of `sync` and `restart` so far. */
struct p4c_host_counts {
    uint32_t blocks;
    uint32_t synced; /* bytes */
    uint32_t restarts;
};
P4C_HOST_API void p4c_host_get_counts(const struct p4c_host *host, struct p4c_host_counts *counts);

#endif
