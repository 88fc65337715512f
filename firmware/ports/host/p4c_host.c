/* p4c_host.c: a board within a process. */
#include "p4c_host.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = P4C_MAX_ALLOCATIONS, LINE = 128, BLOCK_BYTES = 2048 };
/* An address is kind, slot and offset: two, six and twenty-four bits. */
enum { KIND_SHIFT = 30, SLOT_SHIFT = 24, OFFSET_MASK = (1 << SLOT_SHIFT) - 1 };

static const uint32_t TOTAL[P4C_KINDS] = {0, 448 * 1024, 4 * 1024 * 1024, 8 * 1024};

struct slot {
    uint8_t *bytes; /* NULL: free */
    uint32_t size;
};

struct p4c_host {
    struct p4c_core core;
    struct p4c_port port;
    struct p4c_board board;
    struct p4c_fault_log log;
    struct p4c_buffers buffers;
    struct slot slots[P4C_KINDS][SLOTS];
    struct p4c_host_counts counts;
    p4c_host_call call;
    uint32_t now_ms;
    uint8_t *sent;
    uint32_t sent_size;
    uint32_t sent_capacity;
};

static uint32_t used(const struct p4c_host *host, enum p4c_kind kind)
{
    uint32_t bytes = 0;
    for (int i = 0; i < SLOTS; i++) bytes += host->slots[kind][i].bytes != NULL ? host->slots[kind][i].size : 0;
    return bytes;
}

static uint32_t host_alloc(void *context, enum p4c_kind kind, uint32_t size, uint32_t alignment)
{
    struct p4c_host *host = context;
    if (size % LINE != 0 || alignment % LINE != 0 || (alignment & (alignment - 1)) != 0) abort();
    if (size > TOTAL[kind] - used(host, kind) || alignment > 1u << SLOT_SHIFT) return 0;
    for (uint32_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &host->slots[kind][i];
        if (slot->bytes != NULL) continue;
        *slot = (struct slot){malloc(size), size};
        if (slot->bytes == NULL) return 0;
        memset(slot->bytes, 0xa5, size);
        host->counts.blocks++;
        return (uint32_t)kind << KIND_SHIFT | i << SLOT_SHIFT;
    }
    return 0;
}

static struct slot *slot_of(struct p4c_host *host, uint32_t address)
{
    return &host->slots[address >> KIND_SHIFT][address >> SLOT_SHIFT & (SLOTS - 1)];
}

static void host_free(void *context, uint32_t address)
{
    struct p4c_host *host = context;
    struct slot *slot = slot_of(host, address);
    if ((address & OFFSET_MASK) != 0 || slot->bytes == NULL) abort();
    free(slot->bytes);
    slot->bytes = NULL;
    host->counts.blocks--;
}

static void host_heap(void *context, enum p4c_kind kind, struct p4c_heap *heap)
{
    struct p4c_host *host = context;
    *heap = (struct p4c_heap){.total = TOTAL[kind], .free = TOTAL[kind] - used(host, kind)};
    heap->largest = heap->free;
}

uint8_t *p4c_host_memory(struct p4c_host *host, uint32_t address, uint32_t size)
{
    const struct slot *slot = slot_of(host, address);
    uint32_t offset = address & OFFSET_MASK;
    if (slot->bytes == NULL || offset > slot->size || size > slot->size - offset) return NULL;
    return slot->bytes + offset;
}

static uint8_t *host_memory(void *context, uint32_t address, uint32_t size)
{
    uint8_t *memory = p4c_host_memory(context, address, size);
    if (memory == NULL) abort();
    return memory;
}

static void host_sync(void *context, uint32_t address, uint32_t size)
{
    struct p4c_host *host = context;
    if (address % LINE != 0 || size % LINE != 0) abort();
    (void)host_memory(host, address, size);
    host->counts.synced += size;
}

static int host_call(void *context, uint32_t address, uint32_t limit_ms, struct p4c_call_result *result)
{
    struct p4c_host *host = context;
    if (p4c_core_cancelled(&host->core)) return P4C_ERR_CANCELLED;
    return host->call == NULL ? 0 : host->call(host, address, limit_ms, result);
}

static void host_send(void *context, const uint8_t *data, uint32_t size)
{
    struct p4c_host *host = context;
    if (size > host->sent_capacity - host->sent_size) {
        host->sent_capacity = 2 * (host->sent_size + size);
        host->sent = realloc(host->sent, host->sent_capacity);
        if (host->sent == NULL) abort();
    }
    memcpy(host->sent + host->sent_size, data, size);
    host->sent_size += size;
}

static uint32_t host_milliseconds(void *context)
{
    return ((struct p4c_host *)context)->now_ms;
}

/* A restart is a new core over the same log. */
static int begin(struct p4c_host *host)
{
    return p4c_core_begin(&host->core, &host->port, &host->board, &host->log, &host->buffers);
}

static void host_restart(void *context)
{
    struct p4c_host *host = context;
    host->counts.restarts++;
    if (begin(host) != 0) abort();
}

static const struct p4c_port PORT = {
    .alloc = host_alloc, .free = host_free, .heap = host_heap, .memory = host_memory, .sync = host_sync,
    .call = host_call, .send = host_send, .milliseconds = host_milliseconds, .restart = host_restart,
};

struct p4c_host *p4c_host_create(uint32_t chip_major, uint32_t payload, p4c_host_call call)
{
    struct p4c_host *host = calloc(1, sizeof *host);
    if (host == NULL) return NULL;
    uint32_t bytes = payload + P4C_PACKET_HEAD + P4C_PACKET_TAIL;
    host->port = PORT;
    host->port.context = host;
    host->board = (struct p4c_board){
        .name = "p4c host", .chip_major = (uint8_t)chip_major, .cache_line = LINE, .stack_bytes = 16384,
        .limit_ms = 1000, .clock_hz = 360000000, .block_bytes = BLOCK_BYTES, .window = 4, .timeout_ms = 250,
    };
    host->buffers = (struct p4c_buffers){malloc(bytes), bytes, malloc(bytes), bytes};
    host->call = call;
    if (host->buffers.receive != NULL && host->buffers.send != NULL && begin(host) == 0) return host;
    p4c_host_destroy(host);
    return NULL;
}

void p4c_host_destroy(struct p4c_host *host)
{
    for (int kind = 0; kind < P4C_KINDS; kind++) {
        for (int i = 0; i < SLOTS; i++) free(host->slots[kind][i].bytes);
    }
    free(host->buffers.receive);
    free(host->buffers.send);
    free(host->sent);
    free(host);
}

void p4c_host_receive(struct p4c_host *host, const uint8_t *data, uint32_t size)
{
    p4c_core_receive(&host->core, data, size);
}

uint32_t p4c_host_take(struct p4c_host *host, uint8_t *data, uint32_t capacity)
{
    uint32_t size = host->sent_size < capacity ? host->sent_size : capacity;
    if (size > 0) memcpy(data, host->sent, size);
    host->sent_size -= size;
    if (host->sent_size > 0) memmove(host->sent, host->sent + size, host->sent_size);
    return size;
}

void p4c_host_pass_time(struct p4c_host *host, uint32_t milliseconds)
{
    host->now_ms += milliseconds;
}

int p4c_host_cancelled(const struct p4c_host *host)
{
    return p4c_core_cancelled(&host->core);
}

void p4c_host_get_counts(const struct p4c_host *host, struct p4c_host_counts *counts)
{
    *counts = host->counts;
}
