/* p4c_bytes.h: words in byte streams, and the checksums over them.
 *
 * Everything on the wire and in images is little-endian and may stand at any address, so words are put together
 * from bytes: correct on any host, and on the chip the compiler makes one load of it where it may.
 */
#ifndef P4C_BYTES_H
#define P4C_BYTES_H

#include <stdint.h>

static inline uint16_t p4c_get16(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

static inline uint32_t p4c_get32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static inline void p4c_put32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> 8 * i);
}

/* memcpy, memmove, memset and memcmp: the core needs no library. Sizes in bytes. */
void p4c_copy(uint8_t *to, const uint8_t *from, uint32_t size);
void p4c_zero(uint8_t *to, uint32_t size);
int p4c_equal(const uint8_t *a, const uint8_t *b, uint32_t size);

/* CRC-32 of zlib and Ethernet. Begin with 0; pass the result on for the bytes that follow. */
uint32_t p4c_crc32(uint32_t crc, const uint8_t *data, uint32_t size);

/* SHA-256 (FIPS 180-4). Begin, add any number of times, end once; the state may be thrown away at any time. */
struct p4c_sha256 {
    uint32_t h[8];
    uint32_t size;      /* bytes so far; the core hashes less than 512 MB */
    uint8_t block[64];  /* the last size % 64 of them */
};
void p4c_sha256_begin(struct p4c_sha256 *sha);
void p4c_sha256_add(struct p4c_sha256 *sha, const uint8_t *data, uint32_t size);
void p4c_sha256_end(struct p4c_sha256 *sha, uint8_t digest[32]);

#endif
