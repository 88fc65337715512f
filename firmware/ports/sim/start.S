/* start.S: the reset vector, calling code that may never return, and the way into the trap handler. */

/* Reset: a0 is the chip revision's major number, a1 the bytes of PSRAM. Also jumped to for a restart, which leaves
 * .noinit alone. */
    .section .text.start, "ax"
    .globl p4c_start
p4c_start:
    csrci mstatus, 8
    la sp, p4c_main_stack_top
    la t0, p4c_trap_entry
    csrw mtvec, t0
    la t0, p4c_trap_stack_top
    csrw mscratch, t0
    la t0, p4c_bss_start
    la t1, p4c_bss_end
1:  bgeu t0, t1, 2f
    sw zero, 0(t0)
    addi t0, t0, 4
    j 1b
2:  call p4c_main
3:  wfi
    j 3b

/* int p4c_enter(uint32_t function, uint32_t stack_top): call it on a stack of its own, with interrupts on, and return what
 * it returns. p4c_abandon(value) makes p4c_enter return `value` instead, from a trap handler in the middle of the
 * function. Float registers need no saving: the firmware uses none. */
    .section .text.enter, "ax"
    .globl p4c_enter
p4c_enter:
    addi sp, sp, -64
    sw ra, 0(sp)
    sw s0, 4(sp)
    sw s1, 8(sp)
    sw s2, 12(sp)
    sw s3, 16(sp)
    sw s4, 20(sp)
    sw s5, 24(sp)
    sw s6, 28(sp)
    sw s7, 32(sp)
    sw s8, 36(sp)
    sw s9, 40(sp)
    sw s10, 44(sp)
    sw s11, 48(sp)
    la t0, p4c_entered
    sw sp, 0(t0)
    mv sp, a1
    csrsi 0x7f1, 1              /* hardware loops, which an RTOS switches on at the first one that it meets */
    csrsi mstatus, 8
    jalr a0
    csrci mstatus, 8
p4c_leave:
    la t0, p4c_entered
    lw sp, 0(t0)
    lw ra, 0(sp)
    lw s0, 4(sp)
    lw s1, 8(sp)
    lw s2, 12(sp)
    lw s3, 16(sp)
    lw s4, 20(sp)
    lw s5, 24(sp)
    lw s6, 28(sp)
    lw s7, 32(sp)
    lw s8, 36(sp)
    lw s9, 40(sp)
    lw s10, 44(sp)
    lw s11, 48(sp)
    addi sp, sp, 64
    ret

    .globl p4c_abandon
p4c_abandon:
    la t0, p4c_trap_stack_top
    csrw mscratch, t0
    j p4c_leave

/* Traps run on a stack of their own, for the code's may be anywhere. p4c_trap(frame) finds ra and sp in the frame's
 * first words. */
    .section .text.trap, "ax"
    .balign 4
p4c_trap_entry:
    csrrw sp, mscratch, sp
    addi sp, sp, -80
    sw ra, 0(sp)
    sw t0, 8(sp)
    sw t1, 12(sp)
    sw t2, 16(sp)
    sw a0, 20(sp)
    sw a1, 24(sp)
    sw a2, 28(sp)
    sw a3, 32(sp)
    sw a4, 36(sp)
    sw a5, 40(sp)
    sw a6, 44(sp)
    sw a7, 48(sp)
    sw t3, 52(sp)
    sw t4, 56(sp)
    sw t5, 60(sp)
    sw t6, 64(sp)
    csrr t0, mscratch
    sw t0, 4(sp)
    mv a0, sp
    call p4c_trap
    lw ra, 0(sp)
    lw t0, 8(sp)
    lw t1, 12(sp)
    lw t2, 16(sp)
    lw a0, 20(sp)
    lw a1, 24(sp)
    lw a2, 28(sp)
    lw a3, 32(sp)
    lw a4, 36(sp)
    lw a5, 40(sp)
    lw a6, 44(sp)
    lw a7, 48(sp)
    lw t3, 52(sp)
    lw t4, 56(sp)
    lw t5, 60(sp)
    lw t6, 64(sp)
    addi sp, sp, 80
    csrrw sp, mscratch, sp
    mret

    .section .bss
    .balign 4
p4c_entered:
    .space 4
