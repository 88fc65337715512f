/* devices.c: the UART and the timer, with the registers of the chip's UART0 and SYSTIMER that a small program needs. */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

/* ESP-IDF components/soc/esp32p4/register/soc: reg_base.h, uart_reg.h, systimer_reg.h. */
enum { UART_BASE = 0x500ca000, UART_SIZE = 0x1000, UART_FIFO = 0x00, UART_INT_ENA = 0x0c, UART_STATUS = 0x1c };
enum { UART_RXFIFO_FULL = 1, UART_FIFO_BYTES = 128 };
enum { TIMER_BASE = 0x500e2000, TIMER_SIZE = 0x1000, TIMER_TARGET0_HI = 0x1c, TIMER_TARGET0_LO = 0x20,
       TIMER_UNIT0_OP = 0x04, TIMER_UNIT0_HI = 0x40, TIMER_UNIT0_LO = 0x44, TIMER_INT_ENA = 0x64 };

/* The core runs at 360 MHz and the timer at 16: 45 cycles are 2 ticks. */
enum { TICKS_PER_45_CYCLES = 2, TICKS_PER_MICROSECOND = 16,
       WATCHDOG_TICKS = 100000 * TICKS_PER_MICROSECOND };

bool p4c_queue_put(struct queue *queue, const uint8_t *data, uint32_t size) {
    if (size > queue->capacity - queue->used) {
        uint64_t capacity = 2 * (uint64_t)queue->used + size + 4096;
        uint8_t *bytes = capacity > UINT32_MAX ? NULL : realloc(queue->bytes, (size_t)capacity);
        if (bytes == NULL) return false;
        queue->bytes = bytes;
        queue->capacity = (uint32_t)capacity;
    }
    memcpy(queue->bytes + queue->used, data, size);
    queue->used += size;
    return true;
}

uint32_t p4c_queue_take(struct queue *queue, uint8_t *data, uint32_t capacity) {
    uint32_t left = queue->used - queue->first;
    uint32_t size = left < capacity ? left : capacity;
    if (size > 0) memcpy(data, queue->bytes + queue->first, size);
    queue->first += size;
    if (queue->first == queue->used) queue->first = queue->used = 0;
    return size;
}

static uint64_t ticks(const struct p4c_sim *sim) {
    return p4c_timing_cycles(sim) / 45 * TICKS_PER_45_CYCLES + sim->machine->idle_ticks;
}

/* The alarm is by level: on while the time is behind its target. */
static bool alarm_rings(const struct p4c_sim *sim) {
    return sim->machine->timer_enabled && ticks(sim) >= sim->machine->target;
}

bool p4c_machine_overdue(const struct p4c_sim *sim) {
    return !sim->machine->watchdog_came && alarm_rings(sim) && ticks(sim) - sim->machine->target >= WATCHDOG_TICKS;
}

uint32_t p4c_machine_pending(const struct p4c_sim *sim) {
    const struct machine *machine = sim->machine;
    uint32_t pending = alarm_rings(sim) ? PENDING_TIMER : 0;
    if (machine->uart_enabled && machine->received.used != 0) pending |= PENDING_EXTERNAL;
    return pending;
}

static uint32_t read_uart(void *context, uint32_t offset, uint32_t size) {
    struct machine *machine = ((struct p4c_sim *)context)->machine;
    uint32_t waiting = machine->received.used - machine->received.first;
    uint8_t byte = 0;
    (void)size;
    switch (offset) {
    case UART_FIFO: p4c_queue_take(&machine->received, &byte, 1); return byte;
    case UART_INT_ENA: return machine->uart_enabled;
    case UART_STATUS: return waiting < UART_FIFO_BYTES ? waiting : UART_FIFO_BYTES;
    default: return 0;
    }
}

static void write_uart(void *context, uint32_t offset, uint32_t size, uint32_t value) {
    struct machine *machine = ((struct p4c_sim *)context)->machine;
    uint8_t byte = (uint8_t)value;
    (void)size;
    if (offset == UART_INT_ENA) machine->uart_enabled = value & UART_RXFIFO_FULL;
    if (offset == UART_FIFO) p4c_queue_put(&machine->sent, &byte, 1);
}

static uint32_t read_timer(void *context, uint32_t offset, uint32_t size) {
    struct machine *machine = ((struct p4c_sim *)context)->machine;
    (void)size;
    switch (offset) {
    case TIMER_UNIT0_HI: return (uint32_t)(machine->latched >> 32);
    case TIMER_UNIT0_LO: return (uint32_t)machine->latched;
    case TIMER_INT_ENA: return machine->timer_enabled;
    default: return 0;
    }
}

static void write_timer(void *context, uint32_t offset, uint32_t size, uint32_t value) {
    struct p4c_sim *sim = context;
    struct machine *machine = sim->machine;
    (void)size;
    switch (offset) {
    case TIMER_UNIT0_OP: machine->latched = ticks(sim); break;
    case TIMER_TARGET0_HI: machine->target = (uint32_t)machine->target | (uint64_t)value << 32; break;
    case TIMER_TARGET0_LO: machine->target = machine->target >> 32 << 32 | value; break;
    case TIMER_INT_ENA:
        machine->timer_enabled = value & 1;
        machine->watchdog_came = false;
        break;
    default: break;
    }
}

int p4c_sim_attach_devices(struct p4c_sim *sim) {
    if (sim->machine != NULL) return 0;
    sim->machine = calloc(1, sizeof *sim->machine);
    return sim->machine != NULL && p4c_sim_map_mmio(sim, UART_BASE, UART_SIZE, read_uart, write_uart, sim) &&
           p4c_sim_map_mmio(sim, TIMER_BASE, TIMER_SIZE, read_timer, write_timer, sim);
}

int p4c_sim_uart_feed(struct p4c_sim *sim, const uint8_t *data, uint32_t size) {
    return sim->machine != NULL && p4c_queue_put(&sim->machine->received, data, size);
}

uint32_t p4c_sim_uart_take(struct p4c_sim *sim, uint8_t *data, uint32_t capacity) {
    return sim->machine == NULL ? 0 : p4c_queue_take(&sim->machine->sent, data, capacity);
}

void p4c_sim_pass_time(struct p4c_sim *sim, uint32_t microseconds) {
    if (sim->machine != NULL) sim->machine->idle_ticks += (uint64_t)microseconds * TICKS_PER_MICROSECOND;
}
