/* Copying rows of bytes with the vector unit.
 *
 * Rows begin at any byte, all of them alike: at x_at behind a multiple of 16 in x, and y_at in y, of which one is 0. Where
 * either is not, neighbouring vectors are spliced. Of y whole vectors are written: what lies in front of a row in its first
 * one is kept, what lies behind it in its last one is not. So it has to be free or written later. Of x only vectors are
 * read that hold bytes of a row.
 */
#ifndef P4C_PIE_MOVE_H
#define P4C_PIE_MOVE_H

#include "p4c_kernel.h"
#include "p4c_pie.h"

/* Splicing: q2 has the bytes that the next vector of y begins with, at its end; 16 - y_at, or x_at, is in SAR_BYTE. A row
 * is spliced `rest` vectors first, at most four, then `blocks` of four, and at last, if `flush`, what q2 still holds. */
#define P4C_MOVE_LOAD(q) ".if %[x_at]\n" PIE_LD_128_USAR_IP(q, a0, 16) ".else\n" PIE_VLD_128_IP(q, a0, 16) ".endif\n"
#define P4C_MOVE_STORE(q) \
    ".if %[x_at] || %[y_at]\n" PIE_SRC_Q_QUP(q3, q2, q) PIE_VST_128_IP(q3, a2, 16) ".else\n" PIE_VST_128_IP(q, a2, 16) ".endif\n"
#define P4C_MOVE_IF_REST(n, text) ".if %[rest] > " #n "\n" text ".endif\n"
#define P4C_MOVE_FOUR(of) of(q0) of(q1) of(q4) of(q5)
#define P4C_MOVE_REST(of) \
    P4C_MOVE_IF_REST(0, of(q0)) P4C_MOVE_IF_REST(1, of(q1)) P4C_MOVE_IF_REST(2, of(q4)) P4C_MOVE_IF_REST(3, of(q5))

/* `rows` rows of `run` bytes, both at least 1; x_step and y_step, from one to the next, are multiples of 16. All but the
 * pointers is constant. */
P4C_INLINE void p4c_pie_move_rows(int rows, int run, const int8_t *from, int x_step, int x_at, int8_t *to, int y_step,
                                  int y_at)
{
    if (x_step == run && y_step == run) {
        run *= rows;
        rows = 1;
    }
    int vectors = (y_at + run + P4C_LANES - 1) / P4C_LANES;
    int loads = (x_at + run + P4C_LANES - 1) / P4C_LANES - (x_at > 0);
    int rest = loads ? (loads - 1) % 4 + 1 : 0, blocks = (loads - rest) / 4, loop;
    register const int8_t *x __asm__("a0") = from;
    register int8_t *kept __asm__("a1") = to;
    register int8_t *y __asm__("a2") = to - y_at;
    register int x_gap __asm__("a3") = x_step - P4C_LANES * (loads + (x_at > 0));
    register int y_gap __asm__("a4") = y_step - P4C_LANES * vectors;
    register int splice __asm__("a5") = P4C_LANES - y_at;
    register int step __asm__("t3") = y_step;
    __asm__ volatile(
        "1:\n"
        ".if %[x_at]\n" PIE_LD_128_USAR_IP(q2, a0, 16) ".endif\n"
        ".if %[y_at]\n" PIE_LD_128_USAR_XP(q3, a1, t3) ".endif\n"
        P4C_MOVE_REST(P4C_MOVE_LOAD)
        /* What is kept goes from the beginning of its vector to the end of q2. */
        ".if %[y_at]\n" PIE_SRC_Q(q2, q3, q3) PIE_MOVX_W_SAR_BYTES(a5) ".endif\n"
        P4C_MOVE_REST(P4C_MOVE_STORE)
        ".if %[blocks] == 1\n" P4C_MOVE_FOUR(P4C_MOVE_LOAD) P4C_MOVE_FOUR(P4C_MOVE_STORE) ".endif\n"
        ".if %[blocks] > 1\n"
        "li %[loop], %[blocks]\n"
        "2:\n"
        P4C_MOVE_FOUR(P4C_MOVE_LOAD) "addi %[loop], %[loop], -1\n" P4C_MOVE_FOUR(P4C_MOVE_STORE)
        "bnez %[loop], 2b\n"
        ".endif\n"
        ".if %[flush]\n" PIE_SRC_Q(q3, q2, q2) PIE_VST_128_IP(q3, a2, 16) ".endif\n"
        "addi %[rows], %[rows], -1\n"
        "add %[x], %[x], %[x_gap]\n"
        "add %[y], %[y], %[y_gap]\n"
        "bnez %[rows], 1b\n"
        : [x] "+&r"(x), "+&r"(kept), [y] "+&r"(y), [rows] "+&r"(rows), [loop] "=&r"(loop)
        : [x_gap] "r"(x_gap), [y_gap] "r"(y_gap), "r"(splice), "r"(step), [x_at] "i"(x_at), [y_at] "i"(y_at),
          [rest] "i"(rest), [blocks] "i"(blocks), [flush] "i"(vectors > loads)
        : "memory");
}

/* `vectors` times 16 bytes of one value; y is aligned. */
P4C_INLINE void p4c_pie_fill(int vectors, int value, int8_t *to)
{
    int8_t byte = (int8_t)value;
    int loop;
    register const int8_t *x __asm__("a0") = &byte;
    register int8_t *y __asm__("a2") = to;
    __asm__ volatile(
        PIE_VLDBC_8_IP(q0, a0, 0)
        ".if %[blocks]\n"
        "li %[loop], %[blocks]\n"
        "1:\n"
        PIE_VST_128_IP(q0, a2, 16) "addi %[loop], %[loop], -1\n"
        PIE_VST_128_IP(q0, a2, 16) PIE_VST_128_IP(q0, a2, 16) PIE_VST_128_IP(q0, a2, 16)
        "bnez %[loop], 1b\n"
        ".endif\n"
        ".rept %[rest]\n" PIE_VST_128_IP(q0, a2, 16) ".endr\n"
        : "+&r"(x), "+&r"(y), [loop] "=&r"(loop)
        : [blocks] "i"(vectors / 4), [rest] "i"(vectors % 4)
        : "memory");
}

#endif
