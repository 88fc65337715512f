/* fault.c: what a fault leaves for the host to ask after, FAULT in firmware/PROTOCOL.md.
 *
 * Every fault ends in a restart. On its way there the system's handler comes through here (main/CMakeLists.txt), and the log
 * lies in memory of the low-power domain, which restarts leave alone.
 */
#include "board.h"

#include "esp_attr.h"
#include "esp_private/panic_internal.h"
#include "riscv/rvruntime-frames.h"

/* Of mcause: the interrupt bit and the number. */
#define CAUSE_BITS 0x80000fffu

static RTC_NOINIT_ATTR struct p4c_fault_log log_of_faults;

void __real_esp_panic_handler(panic_info_t *info);
void __wrap_esp_panic_handler(panic_info_t *info);

struct p4c_fault_log *fault_log(void)
{
    return &log_of_faults;
}

void __wrap_esp_panic_handler(panic_info_t *info)
{
    const RvExcFrame *frame = info->frame;
    const struct p4c_fault fault = {
        .cause = (uint32_t)frame->mcause & CAUSE_BITS,
        .pc = (uint32_t)frame->mepc,
        .value = (uint32_t)frame->mtval,
        .ra = (uint32_t)frame->ra,
        .sp = (uint32_t)frame->sp,
    };
    if (board_core.log != NULL) p4c_core_note_fault(&board_core, &fault);
    __real_esp_panic_handler(info);
}
