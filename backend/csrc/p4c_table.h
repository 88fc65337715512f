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

#endif
