/* execute_fast.c: the execute loop that only computes and counts instructions. */
#define EXECUTE p4c_execute_fast
#include "execute_loop.h"
