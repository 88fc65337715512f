/* bare.h: what a test's own main may look at. */
#ifndef BARE_H
#define BARE_H

#include <stdint.h>

/* Blocks that were allocated and not freed. */
extern int bare_blocks;

#endif
