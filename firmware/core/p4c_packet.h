/* p4c_packet.h: packets out of a stream of bytes, and into one. firmware/PROTOCOL.md, Packets.
 *
 * The parser is a state machine that may be fed any pieces, down to single bytes. It holds at most one packet, in the
 * buffer that its owner gave it: once p4c_parser_feed returns P4C_PACKET_WHOLE or P4C_PACKET_DAMAGED, the fields below tell
 * of that packet until the next byte is fed.
 *
 *     while (size > 0) {
 *         uint32_t used;
 *         int packet = p4c_parser_feed(&parser, data, size, now, &used);
 *         data += used, size -= used;
 *         if (packet == P4C_PACKET_WHOLE) ...
 *     }
 *
 * It resynchronizes by itself: a header that cannot be one is skipped, and a packet that pauses for longer than the
 * timeout is forgotten when the next byte comes.
 */
#ifndef P4C_PACKET_H
#define P4C_PACKET_H

#include <stdint.h>

/* Bytes around a payload, at most: header 8, sequence number 4; sum 2 or CRC 4. */
#define P4C_PACKET_HEAD 12u
#define P4C_PACKET_TAIL 4u

/* The flags byte. */
enum { P4C_FLAG_REQUEST = 0, P4C_FLAG_GOOD = 1, P4C_FLAG_ERROR = 2, P4C_FLAG_CRC = 0x10 };

enum { P4C_PACKET_NONE, P4C_PACKET_WHOLE, P4C_PACKET_DAMAGED };

struct p4c_parser {
    uint8_t *payload; /* of the packet, `length` bytes */
    uint32_t capacity;
    uint32_t timeout_ms;
    uint32_t last_ms; /* when the last byte came */
    uint32_t have;    /* bytes of the packet so far */
    uint32_t length;
    uint32_t sequence; /* 0 in a base packet */
    uint32_t check;    /* sum or CRC of the bytes so far */
    uint8_t head[P4C_PACKET_HEAD];
    uint8_t tail[P4C_PACKET_TAIL];
    uint8_t command;
    uint8_t flags; /* of a request: 0 or P4C_FLAG_CRC */
};

/* Begin with an empty parser. The buffer stays the caller's and must outlive it. */
void p4c_parser_begin(struct p4c_parser *parser, uint8_t *buffer, uint32_t capacity, uint32_t timeout_ms);

/* Take bytes, stopping behind the first packet that is complete; `*used` is how many were taken, at least 1. */
int p4c_parser_feed(struct p4c_parser *parser, const uint8_t *data, uint32_t size, uint32_t now_ms, uint32_t *used);

/* Put head and tail around the `length` bytes at `payload`, which has room for P4C_PACKET_HEAD bytes before it and
 * P4C_PACKET_TAIL behind. Returns the packet's first byte; `*size` is its length. */
uint8_t *p4c_packet_wrap(uint8_t *payload, uint32_t length, uint8_t command, uint8_t flags, uint32_t sequence,
                         uint32_t *size);

#endif
