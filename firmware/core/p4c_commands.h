/* p4c_commands.h: what the requests of firmware/PROTOCOL.md do; one table, one function each.
 *
 * A handler finds a request whose length the table has checked, writes its answer's payload to core->answer (max_payload
 * bytes) and returns its length, or a negative error. It sends nothing itself.
 */
#ifndef P4C_COMMANDS_H
#define P4C_COMMANDS_H

#include "p4c_core.h"

enum p4c_command {
    P4C_PING = 0x01,
    P4C_GET_INFO = 0x02,
    P4C_ALLOC = 0x10,
    P4C_FREE = 0x11,
    P4C_WRITE = 0x20,
    P4C_READ = 0x21,
    P4C_EXEC = 0x30,
    P4C_RUN = 0x31,
    P4C_CALL = 0x32,
    P4C_CANCEL = 0x33,
    P4C_HEAP_INFO = 0x40,
    P4C_BOARD = 0x50,
    P4C_HEAP = 0x51,
    P4C_FAULT = 0x52,
    P4C_RESET = 0x53,
    P4C_LOAD = 0x60,
    P4C_BLOCK = 0x61,
    P4C_COMMIT = 0x62,
    P4C_UNLOAD = 0x63,
};

/* Do what a request asks. `payload` may be overwritten once code runs, by the packets that arrive then. */
int p4c_command(struct p4c_core *core, uint8_t command, const uint8_t *payload, uint32_t size);

/* p4c_core.c's part in it: from here on packets are those that come while code runs. */
void p4c_core_begin_running(struct p4c_core *core);

#endif
