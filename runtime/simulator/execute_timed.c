/* execute_timed.c: the execute loop that also tells the timing model what it does. */
#include "timing.h"

#define EXECUTE p4c_execute_timed
#define TIME_ISSUE() time_issue(sim, &code->timing[ip - code->slots], PC())
#define TIME_LOAD(address, size) time_data(sim->timing, address, size, false)
#define TIME_STORE(address, size) time_data(sim->timing, address, size, true)
#define TIME_PIE(i) time_data(sim->timing, p4c_pie_address(sim, i), (i)->size, (i)->store)
#define TIME_BRANCH(taken) time_branch(sim->timing, PC(), taken)
#define TIME_JUMP_TO(target) time_jump(sim->timing, PC() + ip->length, target)
#include "execute_loop.h"
