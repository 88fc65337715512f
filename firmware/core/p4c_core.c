/* p4c_core.c: packets to commands to answers. */
#include "p4c_core.h"

#include <stddef.h>

#include "p4c_commands.h"

#define LOG_MAGIC 0x4c343450u /* "P44L" */

int p4c_core_begin(struct p4c_core *core, const struct p4c_port *port, const struct p4c_board *board,
                   struct p4c_fault_log *log, const struct p4c_buffers *buffers)
{
    const uint32_t around = P4C_PACKET_HEAD + P4C_PACKET_TAIL;
    uint32_t smaller = buffers->receive_size < buffers->send_size ? buffers->receive_size : buffers->send_size;
    if (smaller < P4C_SMALLEST_PAYLOAD + around || smaller - around < board->block_bytes + 8) return P4C_ERR_ARGUMENT;
    /* Not by assignment, for which a compiler may build the whole structure on the stack. */
    p4c_zero((uint8_t *)core, sizeof *core);
    core->port = port;
    core->board = board;
    core->log = log;
    core->max_payload = smaller - around;
    core->answer = buffers->send + P4C_PACKET_HEAD;
    p4c_parser_begin(&core->parser, buffers->receive, core->max_payload, board->timeout_ms);
    core->parser.last_ms = port->milliseconds(port->context);
    p4c_memory_begin(&core->memory, port, board->cache_line);
    p4c_images_begin(&core->images, &core->memory, board);
    if (log->magic == LOG_MAGIC) {
        log->restarts++;
    } else {
        *log = (struct p4c_fault_log){.magic = LOG_MAGIC};
    }
    return 0;
}

void p4c_core_note_fault(struct p4c_core *core, const struct p4c_fault *fault)
{
    core->log->faults++;
    core->log->last = *fault;
    core->log->code = core->running ? core->code : 0;
    core->log->in_firmware = !core->running;
}

/* An answer that is not kept: made on the stack, because the answer before may be asked for again. */
static void send_short(struct p4c_core *core, uint8_t flag, uint32_t word)
{
    uint8_t bytes[P4C_PACKET_HEAD + 4 + P4C_PACKET_TAIL];
    const struct p4c_parser *parser = &core->parser;
    uint32_t size;
    p4c_put32(bytes + P4C_PACKET_HEAD, word);
    const uint8_t *packet = p4c_packet_wrap(bytes + P4C_PACKET_HEAD, 4, parser->command, flag | parser->flags,
                                            parser->sequence, &size);
    core->port->send(core->port->context, packet, size);
}

static void send_error(struct p4c_core *core, int error)
{
    send_short(core, P4C_FLAG_ERROR, (uint32_t)-error);
}

/* A packet that comes while code runs; see p4c_core_receive. */
static void handle_while_running(struct p4c_core *core)
{
    if (core->parser.command != P4C_CANCEL || core->parser.length != 0) {
        send_error(core, P4C_ERR_RUNNING);
        return;
    }
    core->cancelled = 1;
    send_short(core, P4C_FLAG_GOOD, 1);
}

/* The error's code and its details, in place of an answer. Returns the length. */
static uint32_t put_error(struct p4c_core *core, int error)
{
    p4c_put32(core->answer, (uint32_t)-error);
    for (uint32_t i = 0; i < core->details.count; i++) p4c_put32(core->answer + 4 + 4 * i, core->details.words[i]);
    return 4 + 4 * core->details.count;
}

static void handle(struct p4c_core *core)
{
    /* Copies: while code runs, further packets go through the parser. */
    const uint8_t command = core->parser.command, flags = core->parser.flags;
    const uint32_t sequence = core->parser.sequence;
    if (flags & P4C_FLAG_CRC && core->answered_size != 0 && core->answered_sequence == sequence &&
        core->answered_command == command) {
        core->port->send(core->port->context, core->answered, core->answered_size);
        return;
    }
    core->answered_size = 0;
    core->details.count = 0;
    core->restart = 0;
    int result = p4c_command(core, command, core->parser.payload, core->parser.length);
    uint32_t length = result < 0 ? put_error(core, result) : (uint32_t)result;
    uint8_t flag = result < 0 ? P4C_FLAG_ERROR : P4C_FLAG_GOOD;
    uint32_t size;
    const uint8_t *packet = p4c_packet_wrap(core->answer, length, command, flag | flags, sequence, &size);
    if (flags & P4C_FLAG_CRC) {
        core->answered = packet;
        core->answered_size = size;
        core->answered_sequence = sequence;
        core->answered_command = command;
    }
    core->port->send(core->port->context, packet, size);
    if (core->restart) core->port->restart(core->port->context);
}

/* Feed the parser until a packet is there; the rest stays in `*data`. */
static int next_packet(struct p4c_core *core, const uint8_t **data, uint32_t *size)
{
    uint32_t used, now = core->port->milliseconds(core->port->context);
    int packet = p4c_parser_feed(&core->parser, *data, *size, now, &used);
    *data += used;
    *size -= used;
    if (packet == P4C_PACKET_DAMAGED) send_error(core, P4C_ERR_CHECKSUM);
    return packet;
}

static void receive_while_running(struct p4c_core *core, const uint8_t *data, uint32_t size)
{
    while (size > 0) {
        if (next_packet(core, &data, &size) == P4C_PACKET_WHOLE) handle_while_running(core);
    }
}

void p4c_core_begin_running(struct p4c_core *core, uint32_t code)
{
    core->code = code;
    core->cancelled = 0;
    core->running = 1;
    /* What came behind the request comes before what will arrive now. */
    receive_while_running(core, core->rest, core->rest_size);
    core->rest_size = 0;
}

void p4c_core_receive(struct p4c_core *core, const uint8_t *data, uint32_t size)
{
    if (core->running) {
        receive_while_running(core, data, size);
        return;
    }
    core->rest = data;
    core->rest_size = size;
    while (core->rest_size > 0) {
        if (next_packet(core, &core->rest, &core->rest_size) == P4C_PACKET_WHOLE) handle(core);
    }
}
