/* p4c_memory.h: the table of what is allocated, which every read, write and call is checked against.
 *
 * Each entry is one block from the port's `alloc`. Its owner is 0, the host, or the handle of a loaded image; what a range
 * may be used for follows from that. A range is good only where one entry holds all of it: neighbours are two
 * blocks, even where they touch.
 */
#ifndef P4C_MEMORY_H
#define P4C_MEMORY_H

#include "p4c_port.h"

enum { P4C_MAX_ALLOCATIONS = 64 };

struct p4c_block {
    uint32_t address; /* 0: the entry is empty */
    uint32_t size;    /* as asked for: ranges end here */
    uint32_t room;    /* as allocated: whole cache lines, at least one */
    uint32_t kind;    /* enum p4c_kind, never P4C_ANY */
    uint32_t owner;
    uint32_t writable; /* by WRITE */
};

struct p4c_memory {
    const struct p4c_port *port;
    uint32_t line;
    struct p4c_block blocks[P4C_MAX_ALLOCATIONS];
};

/* Why an allocation failed, for the answer: the kind that was tried last, 0 where the table is full. */
struct p4c_shortage {
    uint32_t kind;
    uint32_t needed;
    struct p4c_heap heap;
};

/* An empty table over a port; `line` is the cache's, a power of two. */
void p4c_memory_begin(struct p4c_memory *memory, const struct p4c_port *port, uint32_t line);

/* A new block, its size and alignment rounded up to whole lines; P4C_ANY tries L2MEM, then PSRAM. Returns NULL, with
 * the reason in `shortage`, where there is no room. */
struct p4c_block *p4c_memory_alloc(struct p4c_memory *memory, enum p4c_kind kind, uint32_t size, uint32_t alignment,
                                   uint32_t owner, struct p4c_shortage *shortage);

/* Give one block back, or all of an owner. The entry is empty afterwards. */
void p4c_memory_free(struct p4c_memory *memory, struct p4c_block *block);
void p4c_memory_free_owner(struct p4c_memory *memory, uint32_t owner);

/* Let all blocks of one owner be another's. */
void p4c_memory_hand_over(struct p4c_memory *memory, uint32_t owner, uint32_t heir);

/* The block that holds all of [address, address + size), or NULL. Safe for any numbers; no bytes fit at a block's end
 * too. */
struct p4c_block *p4c_memory_find(struct p4c_memory *memory, uint32_t address, uint32_t size);

/* Bytes of a kind that an owner has. */
uint32_t p4c_memory_owned(const struct p4c_memory *memory, uint32_t owner, uint32_t kind);

#endif
