/* p4c_errors.h: what can go wrong, with the meanings of firmware/PROTOCOL.md, Error codes.
 *
 * Functions of the core return 0 or one of these; the wire has the same number without its sign. What a code says more, words
 * that the table in that document names, goes into the `struct p4c_details` that such functions take.
 */
#ifndef P4C_ERRORS_H
#define P4C_ERRORS_H

#include <stdint.h>

/* The words behind an error's code: at most a fault. */
enum { P4C_DETAIL_WORDS = 8 };
struct p4c_details {
    uint32_t count;
    uint32_t words[P4C_DETAIL_WORDS];
};

static inline void p4c_detail(struct p4c_details *details, uint32_t word)
{
    details->words[details->count++] = word;
}

enum p4c_error {
    P4C_ERR_CHECKSUM = -1,
    P4C_ERR_COMMAND = -2,
    P4C_ERR_ALLOC = -3,
    P4C_ERR_ADDRESS = -4,
    P4C_ERR_LENGTH = -16,
    P4C_ERR_ARGUMENT = -17,
    P4C_ERR_RUNNING = -18,
    P4C_ERR_CANCELLED = -19,
    P4C_ERR_TIMEOUT = -20,
    P4C_ERR_FAULT = -21,
    P4C_ERR_HANDLE = -22,
    P4C_ERR_STATE = -23,
    P4C_ERR_MAGIC = -32,
    P4C_ERR_VERSION = -33,
    P4C_ERR_REVISION = -34,
    P4C_ERR_LAYOUT = -35,
    P4C_ERR_CRC = -36,
    P4C_ERR_HASH = -37,
    P4C_ERR_CONTROL = -38,
    P4C_ERR_STACK = -39,
    P4C_ERR_HANDLES = -40,
};

#endif
