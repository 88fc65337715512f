/* p4c_core.h: the board's side of firmware/PROTOCOL.md: bytes in, bytes out, images loaded and run.
 *
 * One `struct p4c_core` is one protocol on one line. It is plain memory of the caller's, as are the two packet
 * buffers; nothing is allocated but through the port, and there are no other variables. So several cores may live
 * side by side, and a test may throw one away at any moment.
 *
 *     static struct p4c_core core;
 *     p4c_core_begin(&core, &port, &board, &log, &(struct p4c_buffers){rx, sizeof rx, tx, sizeof tx});
 *     for (;;) p4c_core_receive(&core, bytes, read_bytes(bytes));
 *
 * Every request is answered from within p4c_core_receive. While code runs, which is inside such a call, the port
 * hands what arrives to p4c_core_receive again (from an interrupt, or another task): CANCEL is then obeyed, all
 * else refused.
 *
 * Errors are negative and become the protocol's codes by their sign.
 */
#ifndef P4C_CORE_H
#define P4C_CORE_H

#include "p4c_image.h"
#include "p4c_memory.h"
#include "p4c_packet.h"
#include "p4c_port.h"

/* The version of the + commands, the base protocol's, and the largest answer that is not read from memory. */
enum { P4C_EXTENSION_VERSION = 1, P4C_BASE_MAJOR = 1, P4C_BASE_MINOR = 0, P4C_SMALLEST_PAYLOAD = 512 };

/* Two buffers of the caller's, alive as long as the core. A payload can be `size` - 16 bytes of the smaller one. */
struct p4c_buffers {
    uint8_t *receive;
    uint32_t receive_size;
    uint8_t *send;
    uint32_t send_size;
};

struct p4c_core {
    const struct p4c_port *port;
    const struct p4c_board *board;
    struct p4c_fault_log *log;
    struct p4c_parser parser;
    struct p4c_memory memory;
    struct p4c_images images;
    uint8_t *answer; /* payload of the answer being made, or last made */
    uint32_t max_payload;
    /* The answer that a repeated request gets: `answered` of 0 bytes is none. */
    const uint8_t *answered;
    uint32_t answered_size;
    uint32_t answered_sequence;
    uint8_t answered_command;
    struct p4c_details details; /* of the request being handled */
    uint32_t restart; /* after the answer */
    /* Bytes that came with the request being handled and stand behind it. */
    const uint8_t *rest;
    uint32_t rest_size;
    uint32_t code; /* base of the image's code that runs; 0 for functions of the host's */
    /* Written while code runs, by whoever calls p4c_core_receive then. */
    volatile uint32_t running;
    volatile uint32_t cancelled;
};

/* Make a core from raw memory. `port`, `board`, `log` and the buffers stay the caller's and must outlive it. The log is
 * initialized where it does not hold a log, else it counts a restart. Returns 0, or P4C_ERR_ARGUMENT for
 * buffers that are too small. */
int p4c_core_begin(struct p4c_core *core, const struct p4c_port *port, const struct p4c_board *board,
                   struct p4c_fault_log *log, const struct p4c_buffers *buffers);

/* Bytes from the line, as many or few as there are. To be called again from within only while code runs, see above. */
void p4c_core_receive(struct p4c_core *core, const uint8_t *data, uint32_t size);

/* For the port's `call`: whether the code is to be ended. */
static inline int p4c_core_cancelled(const struct p4c_core *core)
{
    return core->cancelled != 0;
}

/* Write a fault into the log: of the code that runs, or, when none does, of the firmware itself. The core does so where
 * `call` returns P4C_ERR_FAULT; a port whose faults end in a restart calls this from its fault handler, just before. */
void p4c_core_note_fault(struct p4c_core *core, const struct p4c_fault *fault);

#endif
