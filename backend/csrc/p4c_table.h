/* Any function of one byte. */
#ifndef P4C_TABLE_H
#define P4C_TABLE_H

#include "p4c_kernel.h"

/* `offset` is what takes the smallest code of x to 0: 128 for int8, 0 for uint8. */
struct p4c_table {
    int elements;
    int offset;
};

/* y = table[x + offset], 256 entries; y may be x. */
P4C_INLINE void p4c_table_s8_ref(struct p4c_table p, const uint8_t *x, const uint8_t *table, uint8_t *y)
{
    for (int i = 0; i < p.elements; i++) y[i] = table[(uint8_t)(x[i] + p.offset)];
}

/* A table for each of `rows` runs of `run` elements, again and again; `padding` bytes behind all rows stay as they are. */
struct p4c_table_rows {
    int repeats, rows, run, padding;
    int offset;
};

/* The same with tables [rows][256]. */
P4C_INLINE void p4c_table_rows_s8_ref(struct p4c_table_rows p, const uint8_t *x, const uint8_t *tables, uint8_t *y)
{
    for (int i = 0; i < p.repeats; i++, x += p.padding, y += p.padding)
        for (int row = 0; row < p.rows; row++)
            for (int j = 0; j < p.run; j++) *y++ = tables[256 * row + (uint8_t)(*x++ + p.offset)];
}

#if P4C_PIE
#include "p4c_pie.h"

/* The look-ups of four bytes of each half of a vector: lane `lane` of q2-q5 takes the words of bytes lane, lane + 4,
 * lane + 8 and lane + 12, whose indices are halfwords of q0 (bytes 0-7) and q1. */
#define P4C_TABLE_LANE(lane, upper) \
    PIE_LDXQ_32(q2, q0, a1, lane, lane) PIE_LDXQ_32(q3, q0, a1, lane, upper) \
    PIE_LDXQ_32(q4, q1, a1, lane, lane) PIE_LDXQ_32(q5, q1, a1, lane, upper)

/* The PIE form, for whole vectors of 16 bytes: `table` holds 256 words, of which the low byte counts. */
P4C_INLINE void p4c_table_s8(struct p4c_table p, const uint8_t *input, const uint32_t *words, uint8_t *result)
{
    register const uint8_t *x __asm__("a0") = input;
    register const uint32_t *table __asm__("a1") = words;
    register uint8_t *y __asm__("a2") = result;
    register int first __asm__("a3") = p.offset;
    int count = p.elements / P4C_LANES;
    __asm__ volatile(
        /* q6 takes the smallest code to 0: a flipped sign for int8. */
        PIE_ZERO_Q(q6) ".if %[offset]\n" PIE_MOVI_8_Q(q6, a3, 0) PIE_MOVI_8_Q(q6, a3, 1) PIE_MOVI_8_Q(q6, a3, 2)
        PIE_MOVI_8_Q(q6, a3, 3) PIE_MOVI_8_Q(q6, a3, 4) PIE_MOVI_8_Q(q6, a3, 5) PIE_MOVI_8_Q(q6, a3, 6)
        PIE_MOVI_8_Q(q6, a3, 7) PIE_MOVI_8_Q(q6, a3, 8) PIE_MOVI_8_Q(q6, a3, 9) PIE_MOVI_8_Q(q6, a3, 10)
        PIE_MOVI_8_Q(q6, a3, 11) PIE_MOVI_8_Q(q6, a3, 12) PIE_MOVI_8_Q(q6, a3, 13) PIE_MOVI_8_Q(q6, a3, 14)
        PIE_MOVI_8_Q(q6, a3, 15) ".endif\n"
        "1:\n"
        PIE_VLD_128_IP(q0, a0, 16) PIE_ZERO_Q(q1) "addi %[count], %[count], -1\n" PIE_XORQ(q0, q0, q6)
        PIE_VZIP_8(q0, q1)
        P4C_TABLE_LANE(0, 4) P4C_TABLE_LANE(1, 5) P4C_TABLE_LANE(2, 6) P4C_TABLE_LANE(3, 7)
        /* Four times four words to 16 low bytes. */
        PIE_VUNZIP_16(q2, q3) PIE_VUNZIP_16(q4, q5) PIE_VUNZIP_8(q2, q4)
        PIE_VST_128_IP(q2, a2, 16)
        "bnez %[count], 1b\n"
        : "+&r"(x), "+&r"(y), [count] "+&r"(count)
        : "r"(table), "r"(first), [offset] "i"(p.offset)
        : "memory");
}
#endif

#endif
