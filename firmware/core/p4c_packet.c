/* p4c_packet.c: the parser and the writer of packets. */
#include "p4c_packet.h"

#include "p4c_bytes.h"

enum { MAGIC_0 = 0xa5, MAGIC_1 = 0x5a, BASE_HEAD = 8 };

void p4c_parser_begin(struct p4c_parser *parser, uint8_t *buffer, uint32_t capacity, uint32_t timeout_ms)
{
    *parser = (struct p4c_parser){.payload = buffer, .capacity = capacity, .timeout_ms = timeout_ms};
}

static uint32_t sum(uint32_t before, const uint8_t *data, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) before += data[i];
    return before & 0xffff;
}

static uint32_t checksum(uint8_t flags, uint32_t before, const uint8_t *data, uint32_t size)
{
    return flags & P4C_FLAG_CRC ? p4c_crc32(before, data, size) : sum(before, data, size);
}

static uint32_t head_size(const struct p4c_parser *parser)
{
    return parser->flags & P4C_FLAG_CRC ? P4C_PACKET_HEAD : BASE_HEAD;
}

static uint32_t tail_size(const struct p4c_parser *parser)
{
    return parser->flags & P4C_FLAG_CRC ? 4 : 2;
}

/* One byte of the head. What cannot be one is looked through for a magic further on. */
static void feed_head(struct p4c_parser *parser, uint8_t byte)
{
    if (parser->have == 1 && byte != MAGIC_1) parser->have = 0;
    if (parser->have == 0 && byte != MAGIC_0) return;
    parser->head[parser->have++] = byte;
    if (parser->have == BASE_HEAD) {
        parser->command = parser->head[2];
        parser->flags = parser->head[3];
        parser->length = p4c_get32(parser->head + 4);
        parser->sequence = 0;
        int request = (parser->flags & ~P4C_FLAG_CRC) == P4C_FLAG_REQUEST;
        if (!request || parser->length > parser->capacity) {
            parser->have = 0;
            for (int i = 1; i < BASE_HEAD; i++) feed_head(parser, parser->head[i]);
            return;
        }
    }
    if (parser->have >= BASE_HEAD && parser->have == head_size(parser)) {
        if (parser->flags & P4C_FLAG_CRC) parser->sequence = p4c_get32(parser->head + BASE_HEAD);
        parser->check = checksum(parser->flags, 0, parser->head, parser->have);
    }
}

static int in_head(const struct p4c_parser *parser)
{
    return parser->have < BASE_HEAD || parser->have < head_size(parser);
}

int p4c_parser_feed(struct p4c_parser *parser, const uint8_t *data, uint32_t size, uint32_t now_ms, uint32_t *used)
{
    if (now_ms - parser->last_ms > parser->timeout_ms) parser->have = 0;
    parser->last_ms = now_ms;
    *used = 0;
    while (*used < size) {
        if (in_head(parser)) {
            feed_head(parser, data[(*used)++]);
            continue;
        }
        uint32_t at = parser->have - head_size(parser);
        if (at < parser->length) {
            uint32_t left = parser->length - at;
            uint32_t take = size - *used < left ? size - *used : left;
            p4c_copy(parser->payload + at, data + *used, take);
            parser->check = checksum(parser->flags, parser->check, data + *used, take);
            parser->have += take;
            *used += take;
            continue;
        }
        parser->tail[at - parser->length] = data[(*used)++];
        parser->have++;
        if (at - parser->length + 1 < tail_size(parser)) continue;
        parser->have = 0;
        uint32_t expected = tail_size(parser) == 4 ? p4c_get32(parser->tail) : p4c_get16(parser->tail);
        return expected == parser->check ? P4C_PACKET_WHOLE : P4C_PACKET_DAMAGED;
    }
    return P4C_PACKET_NONE;
}

uint8_t *p4c_packet_wrap(uint8_t *payload, uint32_t length, uint8_t command, uint8_t flags, uint32_t sequence,
                         uint32_t *size)
{
    uint32_t head = flags & P4C_FLAG_CRC ? P4C_PACKET_HEAD : BASE_HEAD;
    uint8_t *packet = payload - head;
    packet[0] = MAGIC_0;
    packet[1] = MAGIC_1;
    packet[2] = command;
    packet[3] = flags;
    p4c_put32(packet + 4, length);
    if (flags & P4C_FLAG_CRC) p4c_put32(packet + BASE_HEAD, sequence);
    uint32_t check = checksum(flags, 0, packet, head + length);
    uint8_t *tail = payload + length;
    tail[0] = (uint8_t)check;
    tail[1] = (uint8_t)(check >> 8);
    if (flags & P4C_FLAG_CRC) p4c_put32(tail, check);
    *size = head + length + (flags & P4C_FLAG_CRC ? 4 : 2);
    return packet;
}
