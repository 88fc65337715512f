/* fuzz_core.c: any bytes against the firmware core, for libFuzzer; the same file replays a corpus, see README.md.
 *
 * An input is a row of records: mode (1 byte), length (2 bytes, little-endian), bytes. The mode's upper six bits let
 * time pass first, 8 ms each, but all ones repeat the sequence number before instead; its lower two say what the
 * bytes are:
 *
 *   0  bytes for the line as they stand
 *   1  command and payload of a base packet: the harness puts head and sum around it
 *   2  command and payload of a + packet, likewise, with a sequence number that counts up
 *   3  as 2, and the payload is an image's header whose CRC the harness makes right
 *
 * Without the last three hardly any input would pass the checksums. Code that runs does what its first byte says.
 * After each input the board must still answer, and give everything back.
 */
#include <stdlib.h>
#include <string.h>

#include "p4c_host.h"

enum { RAW, BASE, EXTENDED, IMAGE, FORM = 3, REPEAT = 63, PAYLOAD = 4096, RESET = 0x53, PING = 0x01 };

/* What is left of the input; the code that runs takes records too. */
static const uint8_t *left;
static size_t left_size;
static uint32_t sequence;

static void wrap_and_send(struct p4c_host *host, uint8_t mode, const uint8_t *bytes, uint32_t size)
{
    uint8_t packet[P4C_PACKET_HEAD + PAYLOAD + P4C_PACKET_TAIL];
    uint8_t *payload = packet + P4C_PACKET_HEAD;
    if (size == 0 || size - 1 > PAYLOAD) return;
    memcpy(payload, bytes + 1, size - 1);
    if ((mode & FORM) == IMAGE && size - 1 >= 8) p4c_put32(payload + size - 5, p4c_crc32(0, payload, size - 5));
    uint32_t length;
    uint8_t flags = (mode & FORM) == BASE ? 0 : P4C_FLAG_CRC;
    if (mode >> 2 != REPEAT) sequence++;
    uint8_t *start = p4c_packet_wrap(payload, size - 1, bytes[0], flags, sequence, &length);
    p4c_host_receive(host, start, length);
}

/* One record; false at the end of the input. */
static int next_record(struct p4c_host *host)
{
    if (left_size < 3) return 0;
    uint8_t mode = left[0];
    uint32_t size = p4c_get16(left + 1);
    if (size > left_size - 3) size = (uint32_t)left_size - 3;
    const uint8_t *bytes = left + 3;
    left += 3 + size;
    left_size -= 3 + size;
    if (mode >> 2 != REPEAT) p4c_host_pass_time(host, (mode >> 2) * 8u);
    if ((mode & FORM) == RAW) {
        p4c_host_receive(host, bytes, size);
    } else {
        wrap_and_send(host, mode, bytes, size);
    }
    return 1;
}

static int run_code(struct p4c_host *host, uint32_t address, uint32_t limit_ms, struct p4c_call_result *result)
{
    const uint8_t *code = p4c_host_memory(host, address, 1);
    if (code == NULL || limit_ms == 0) abort();
    result->value = *code;
    switch (*code % 4) {
    case 1: result->fault = (struct p4c_fault){*code, address, 0, 1, 2}; return P4C_ERR_FAULT;
    case 2: return P4C_ERR_TIMEOUT;
    case 3:
        while (!p4c_host_cancelled(host)) {
            if (!next_record(host)) return P4C_ERR_TIMEOUT;
        }
        return P4C_ERR_CANCELLED;
    default: return 0;
    }
}

/* Everything that was sent is whole packets of the right form. */
static void check_answers(struct p4c_host *host)
{
    static uint8_t sent[1 << 22];
    uint32_t size = p4c_host_take(host, sent, sizeof sent);
    for (uint32_t at = 0; at < size;) {
        const uint8_t *packet = sent + at;
        if (size - at < 10 || packet[0] != 0xa5 || packet[1] != 0x5a) abort();
        uint32_t around = packet[3] & P4C_FLAG_CRC ? 16 : 10, length = p4c_get32(packet + 4);
        uint8_t flag = packet[3] & (uint8_t)~P4C_FLAG_CRC;
        if (flag != P4C_FLAG_GOOD && flag != P4C_FLAG_ERROR) abort();
        if (length > PAYLOAD || size - at < around + length) abort();
        if (flag == P4C_FLAG_ERROR && length < 4) abort();
        at += around + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t EMPTY[5] = {RESET, 1, 0, 0, 0}, ALIVE[1] = {PING};
    struct p4c_host *host = p4c_host_create(3, PAYLOAD, run_code);
    if (host == NULL) abort();
    left = data;
    left_size = size;
    sequence = 0;
    while (next_record(host)) check_answers(host);
    check_answers(host);
    p4c_host_pass_time(host, 1000);
    wrap_and_send(host, EXTENDED, EMPTY, sizeof EMPTY);
    wrap_and_send(host, EXTENDED, ALIVE, sizeof ALIVE);
    uint8_t answer[64];
    struct p4c_host_counts counts;
    p4c_host_get_counts(host, &counts);
    /* The answers to RESET, one word, and to PING, which is empty. */
    if (p4c_host_take(host, answer, sizeof answer) != 16 + 4 + 16 || counts.blocks != 0) abort();
    p4c_host_destroy(host);
    return 0;
}
