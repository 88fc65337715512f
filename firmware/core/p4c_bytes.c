/* p4c_bytes.c: copying and the two checksums. */
#include "p4c_bytes.h"

void p4c_copy(uint8_t *to, const uint8_t *from, uint32_t size)
{
    __builtin_memcpy(to, from, size);
}

void p4c_zero(uint8_t *to, uint32_t size)
{
    __builtin_memset(to, 0, size);
}

int p4c_equal(const uint8_t *a, const uint8_t *b, uint32_t size)
{
    while (size > 0 && *a == *b) a++, b++, size--;
    return size == 0;
}

uint32_t p4c_crc32(uint32_t crc, const uint8_t *data, uint32_t size)
{
    /* The remainders of the sixteen half-bytes by the reflected polynomial 0xEDB88320: 64 bytes of table
     * instead of 1024, at two steps a byte. */
    static const uint32_t HALF_BYTES[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    crc = ~crc;
    for (uint32_t i = 0; i < size; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ HALF_BYTES[crc & 15];
        crc = crc >> 4 ^ HALF_BYTES[crc & 15];
    }
    return ~crc;
}

static uint32_t rotate(uint32_t word, unsigned int bits)
{
    return word >> bits | word << (32 - bits);
}

/* One block of 64 bytes. */
static void sha256_block(uint32_t h[8], const uint8_t *block)
{
    /* The first 32 bits of the fractions of the cube roots of the first 64 primes. */
    static const uint32_t K[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    };
    uint32_t w[64];
    for (int i = 0; i < 16; i++) w[i] = __builtin_bswap32(p4c_get32(block + 4 * i));
    for (int i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        x = rotate(x, 7) ^ rotate(x, 18) ^ x >> 3;
        y = rotate(y, 17) ^ rotate(y, 19) ^ y >> 10;
        w[i] = w[i - 16] + x + w[i - 7] + y;
    }
    /* Eight variables, not an array: they stay in registers, which is twice as fast. */
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], last = h[7];
    for (int i = 0; i < 64; i++) {
        uint32_t first = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        uint32_t second = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        first += last + (g ^ (e & (f ^ g))) + K[i] + w[i];
        second += (a & b) | (c & (a | b));
        last = g, g = f, f = e, e = d + first;
        d = c, c = b, b = a, a = first + second;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += last;
}

void p4c_sha256_begin(struct p4c_sha256 *sha)
{
    *sha = (struct p4c_sha256){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                                     0x1f83d9ab, 0x5be0cd19}};
}

void p4c_sha256_add(struct p4c_sha256 *sha, const uint8_t *data, uint32_t size)
{
    while (size > 0) {
        uint32_t have = sha->size % 64;
        uint32_t take = size < 64 - have ? size : 64 - have;
        if (take == 64) {
            sha256_block(sha->h, data);
        } else {
            p4c_copy(sha->block + have, data, take);
            if (have + take == 64) sha256_block(sha->h, sha->block);
        }
        sha->size += take;
        data += take;
        size -= take;
    }
}

void p4c_sha256_end(struct p4c_sha256 *sha, uint8_t digest[32])
{
    static const uint8_t ONE[1] = {0x80}, ZERO[1] = {0};
    uint32_t bits[2] = {sha->size >> 29, sha->size << 3};
    p4c_sha256_add(sha, ONE, 1);
    while (sha->size % 64 != 56) p4c_sha256_add(sha, ZERO, 1);
    for (int i = 0; i < 2; i++) p4c_put32(sha->block + 56 + 4 * i, __builtin_bswap32(bits[i]));
    sha256_block(sha->h, sha->block);
    for (int i = 0; i < 8; i++) p4c_put32(digest + 4 * i, __builtin_bswap32(sha->h[i]));
}
