/* board.h: what the files of this port share. The core runs in IDF's main task on core 0, code of hosts in a task on
 * core 1 (runner.c).
 */
#ifndef P4C_BOARD_H
#define P4C_BOARD_H

#include "freertos/FreeRTOS.h"

#include "p4c_core.h"

extern struct p4c_core board_core;

/* Hand what has arrived to the core, waiting at most `ticks` for the first byte. */
void board_serve(TickType_t ticks);

/* memory.c: the port's functions of these names. */
uint32_t memory_alloc(void *context, enum p4c_kind kind, uint32_t size, uint32_t alignment);
void memory_free(void *context, uint32_t address);
void memory_heap(void *context, enum p4c_kind kind, struct p4c_heap *heap);
uint8_t *memory_at(void *context, uint32_t address, uint32_t size);
void memory_sync(void *context, uint32_t address, uint32_t size);

/* runner.c: the task that runs code. Begin before the first call. */
void runner_begin(void);
int runner_call(void *context, uint32_t address, uint32_t limit_ms, struct p4c_call_result *result);

/* fault.c: the memory of faults, which a restart leaves alone. */
struct p4c_fault_log *fault_log(void);

/* One of line_*.c, as Kconfig says: the port of the protocol. */
void line_begin(void);
/* Bytes that have arrived, at most `size`, waiting at most `ticks` for the first. Returns how many. */
uint32_t line_read(uint8_t *data, uint32_t size, TickType_t ticks);
/* Send all of it, waiting for as long as the host takes. */
void line_write(const uint8_t *data, uint32_t size);
/* Wait, but not for ever, until all has left the board. */
void line_drain(void);

/* Of everything that waits: BLOCKs under way, with their packets' heads. Lines whose hosts are not held up need that much room. */
enum { BOARD_BLOCK = 4096, BOARD_WINDOW = 4, BOARD_WAITING = BOARD_WINDOW * (BOARD_BLOCK + 64) };

#endif
