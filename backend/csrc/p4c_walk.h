/* Walking two operands side by side. */
#ifndef P4C_WALK_H
#define P4C_WALK_H

#include "p4c_kernel.h"

/* Up to four axes, outermost first, as they lie in y; x_step[i] is the distance in x between neighbours along axis i, 0
 * where one element is repeated. Operands that lie as the result does are one axis over all bytes, padding included. */
struct p4c_walk {
    int size[4];
    int x_step[4], y_step[4];
    int padding; /* elements of the result left as they are behind each run along the innermost axis */
};

/* Where element (a, b, c, d) of the result stands in an operand. */
P4C_INLINE int p4c_walked(const int *step, int a, int b, int c, int d)
{
    return a * step[0] + b * step[1] + c * step[2] + d * step[3];
}

#endif
