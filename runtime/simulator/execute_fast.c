/* execute_fast.c: the execute loop that only computes and counts instructions. */
#define EXECUTE p4c_execute_fast
#define TIME_ISSUE() ((void)0)
#define TIME_LOAD(address, size) ((void)0)
#define TIME_STORE(address, size) ((void)0)
#define TIME_PIE(i) ((void)0)
#define TIME_BRANCH(taken) ((void)0)
#define TIME_JUMP_TO(target) ((void)0)
#include "execute_loop.h"
