/* p4c_memory.c: the table of allocations. */
#include "p4c_memory.h"

#include <stddef.h>

#include "p4c_bytes.h"

void p4c_memory_begin(struct p4c_memory *memory, const struct p4c_port *port, uint32_t line)
{
    p4c_zero((uint8_t *)memory, sizeof *memory);
    memory->port = port;
    memory->line = line;
}

static struct p4c_block *empty_entry(struct p4c_memory *memory)
{
    for (uint32_t i = 0; i < P4C_MAX_ALLOCATIONS; i++) {
        if (memory->blocks[i].address == 0) return &memory->blocks[i];
    }
    return NULL;
}

static uint32_t try_kind(struct p4c_memory *memory, enum p4c_kind kind, uint32_t alignment,
                         struct p4c_shortage *shortage)
{
    shortage->kind = kind;
    memory->port->heap(memory->port->context, kind, &shortage->heap);
    return memory->port->alloc(memory->port->context, kind, shortage->needed, alignment);
}

struct p4c_block *p4c_memory_alloc(struct p4c_memory *memory, enum p4c_kind kind, uint32_t size, uint32_t alignment,
                                   uint32_t owner, struct p4c_shortage *shortage)
{
    struct p4c_block *block = empty_entry(memory);
    uint32_t lines = size > 0 ? size : 1;
    *shortage = (struct p4c_shortage){.needed = size};
    if (block == NULL) return NULL;
    shortage->kind = kind == P4C_ANY ? P4C_PSRAM : kind;
    if (lines > UINT32_MAX - memory->line) return NULL; /* would wrap to a small block */
    shortage->needed = (lines + memory->line - 1) & ~(memory->line - 1);
    if (alignment < memory->line) alignment = memory->line;
    uint32_t address = try_kind(memory, kind == P4C_ANY ? P4C_L2MEM : kind, alignment, shortage);
    if (address == 0 && kind == P4C_ANY) address = try_kind(memory, P4C_PSRAM, alignment, shortage);
    if (address == 0) return NULL;
    *block = (struct p4c_block){address, size, shortage->needed, shortage->kind, owner, owner == 0};
    return block;
}

void p4c_memory_free(struct p4c_memory *memory, struct p4c_block *block)
{
    memory->port->free(memory->port->context, block->address);
    block->address = 0;
}

void p4c_memory_free_owner(struct p4c_memory *memory, uint32_t owner)
{
    for (uint32_t i = 0; i < P4C_MAX_ALLOCATIONS; i++) {
        struct p4c_block *block = &memory->blocks[i];
        if (block->address != 0 && block->owner == owner) p4c_memory_free(memory, block);
    }
}

void p4c_memory_hand_over(struct p4c_memory *memory, uint32_t owner, uint32_t heir)
{
    for (uint32_t i = 0; i < P4C_MAX_ALLOCATIONS; i++) {
        struct p4c_block *block = &memory->blocks[i];
        if (block->address != 0 && block->owner == owner) block->owner = heir;
    }
}

struct p4c_block *p4c_memory_find(struct p4c_memory *memory, uint32_t address, uint32_t size)
{
    for (uint32_t i = 0; i < P4C_MAX_ALLOCATIONS; i++) {
        struct p4c_block *block = &memory->blocks[i];
        if (block->address == 0 || address < block->address) continue;
        uint32_t offset = address - block->address;
        if (offset <= block->size && size <= block->size - offset) return block;
    }
    return NULL;
}

uint32_t p4c_memory_owned(const struct p4c_memory *memory, uint32_t owner, uint32_t kind)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < P4C_MAX_ALLOCATIONS; i++) {
        const struct p4c_block *block = &memory->blocks[i];
        if (block->address != 0 && block->owner == owner && block->kind == kind) bytes += block->room;
    }
    return bytes;
}
