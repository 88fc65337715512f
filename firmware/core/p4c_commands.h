/* p4c_commands.h: what the requests of firmware/PROTOCOL.md do; one table, one function each.
 *
 * A handler finds a request whose length the table has checked, writes its answer's payload to core->answer (max_payload
 * bytes) and returns its length, or a negative error. It sends nothing itself.
 */
#ifndef P4C_COMMANDS_H
#define P4C_COMMANDS_H

#include "p4c_core.h"

enum p4c_command {
    P4C_PING = 0x01,        /* the same bytes back */
    P4C_GET_INFO = 0x02,    /* versions and limits */
    P4C_ALLOC = 0x10,       /* memory for the host */
    P4C_FREE = 0x11,        /* and back */
    P4C_WRITE = 0x20,       /* bytes into it */
    P4C_READ = 0x21,        /* bytes out of it */
    P4C_EXEC = 0x30,        /* call a function in it */
    P4C_RUN = 0x31,         /* an image, with its input and output */
    P4C_CALL = 0x32,        /* as EXEC, with a time limit and cycles */
    P4C_CANCEL = 0x33,      /* what runs */
    P4C_HEAP_INFO = 0x40,   /* what is free, of two kinds */
    P4C_BOARD = 0x50,       /* facts and limits of this board */
    P4C_HEAP = 0x51,        /* what is free, of each kind */
    P4C_FAULT = 0x52,       /* the last one */
    P4C_RESET = 0x53,       /* give everything back, or restart */
    P4C_LOAD = 0x60,        /* an image: its header */
    P4C_BLOCK = 0x61,       /* its bytes */
    P4C_COMMIT = 0x62,      /* check it */
    P4C_UNLOAD = 0x63,      /* drop it, or keep it in the cache */
};

/* Do what a request asks. `payload` may be overwritten once code runs, by the packets that arrive then. */
int p4c_command(struct p4c_core *core, uint8_t command, const uint8_t *payload, uint32_t size);

/* p4c_core.c's part in it: from here on packets are those that come while code runs. */
void p4c_core_begin_running(struct p4c_core *core, uint32_t code);

#endif
