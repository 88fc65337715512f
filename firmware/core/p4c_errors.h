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
    P4C_ERR_CHECKSUM = -1,    /* of a packet */
    P4C_ERR_COMMAND = -2,     /* unknown, or a base command that is too short */
    P4C_ERR_ALLOC = -3,       /* no room; details: kind, needed, free, largest */
    P4C_ERR_ADDRESS = -4,     /* outside what the host has allocated */
    P4C_ERR_LENGTH = -16,     /* does not fit the command */
    P4C_ERR_ARGUMENT = -17,   /* out of range */
    P4C_ERR_RUNNING = -18,    /* code runs: only CANCEL is heard */
    P4C_ERR_CANCELLED = -19,  /* by CANCEL */
    P4C_ERR_TIMEOUT = -20,    /* code ran for its whole time */
    P4C_ERR_FAULT = -21,      /* of code that ran; details: the fault */
    P4C_ERR_HANDLE = -22,     /* no image has it */
    P4C_ERR_STATE = -23,      /* the image is not committed, or already is */
    P4C_ERR_MAGIC = -32,      /* this is no image */
    P4C_ERR_VERSION = -33,    /* of the image format; details: found, known */
    P4C_ERR_REVISION = -34,   /* of the chip; details: found, the board's */
    P4C_ERR_LAYOUT = -35,     /* the header contradicts itself */
    P4C_ERR_CRC = -36,        /* details: the segment, all ones for the header */
    P4C_ERR_HASH = -37,       /* of the model */
    P4C_ERR_CONTROL = -38,    /* no control block, or of another version */
    P4C_ERR_STACK = -39,      /* details: needed, there */
    P4C_ERR_HANDLES = -40,    /* all taken; details: how many there are */
};

#endif
