/* The PIE inner kernel that convolution and fully connected layers share.
 *
 * One vector instruction multiplies 16 weights, one for each of 16 output channels, by one input byte and adds the
 * products to the 16 accumulators of QACC. So an input vector of 16 bytes needs 16 weight rows, and every row is loaded
 * once and multiplied once: two cycles. A "tap" is one input vector with its rows. It is complete in itself, loads its
 * vector and first two rows, then each multiplication fetches the row after next:
 *
 *     vld x; vld row 0; vld row 1; (mac row k, vld row k + 2) ...; mac; mac        2 * rows + 1 cycles
 *
 * which is the minimum, so taps follow each other in any order without loss.
 */
#ifndef P4C_PIE_CONV_H
#define P4C_PIE_CONV_H

#include "p4c_kernel.h"
#include "p4c_pie.h"

/* Register use of all blocks below:
 *   q0 q1 weight rows    q2 input vector, then result    q3-q6 held weight rows    q7 per-channel shifts
 *   q3 q4 the two aligned vectors that an unaligned input vector is spliced from
 *   a0 input    a1 weights    a2 output    a3 bias    a4 shift    a5 t3 clamp    t4 output step
 *
 * Operands that a block changes are "+&r": without the & the compiler may give an operand of equal value the same
 * register, such as the weights' start and the pointer that walks from it.
 */
#define P4C_MAC_ROW(q, lane) PIE_VSMULAS_S8_QACC(q, q2, lane)
#define P4C_MAC_ROW_LOAD(q, lane) PIE_VSMULAS_S8_QACC_LD_INCP(q, a1, q, q2, lane)

/* An input vector and the first weight rows. Where inputs are unaligned, q3 has the aligned bytes that the vector begins
 * in, and the next vector's after it; other loads stand between a splice and what it depends on. */
#define P4C_IF_UNALIGNED ".if %[flags] & 32\n"
#define P4C_RUN_BEGIN P4C_IF_UNALIGNED PIE_LD_128_USAR_IP(q3, a0, 16) ".endif\n"
#define P4C_TAP_INPUT(second) \
    P4C_IF_UNALIGNED \
    PIE_LD_128_USAR_IP(q4, a0, 16) PIE_VLD_128_IP(q0, a1, 16) PIE_SRC_Q_QUP(q2, q3, q4) \
    ".else\n" \
    PIE_VLD_128_IP(q2, a0, 16) PIE_VLD_128_IP(q0, a1, 16) \
    ".endif\n" second
#define P4C_TAP_LOADS P4C_TAP_INPUT(PIE_VLD_128_IP(q1, a1, 16))

#define P4C_TAP_ROWS_4_TO_13 \
    P4C_MAC_ROW_LOAD(q0, 4) P4C_MAC_ROW_LOAD(q1, 5) P4C_MAC_ROW_LOAD(q0, 6) P4C_MAC_ROW_LOAD(q1, 7) \
    P4C_MAC_ROW_LOAD(q0, 8) P4C_MAC_ROW_LOAD(q1, 9) P4C_MAC_ROW_LOAD(q0, 10) P4C_MAC_ROW_LOAD(q1, 11) \
    P4C_MAC_ROW_LOAD(q0, 12) P4C_MAC_ROW_LOAD(q1, 13)

/* All 16 lanes; `first` and `second` are scalar instructions that pair with the last two multiplications. */
#define P4C_TAP_16(first, second) \
    P4C_TAP_LOADS \
    P4C_MAC_ROW_LOAD(q0, 0) P4C_MAC_ROW_LOAD(q1, 1) P4C_MAC_ROW_LOAD(q0, 2) P4C_MAC_ROW_LOAD(q1, 3) \
    P4C_TAP_ROWS_4_TO_13 \
    P4C_MAC_ROW(q0, 14) first P4C_MAC_ROW(q1, 15) second

/* All 16 lanes, the rows of lanes 0-3 held in q3-q6. */
#define P4C_TAP_16_HELD(first, second) \
    P4C_TAP_LOADS \
    P4C_MAC_ROW(q3, 0) P4C_MAC_ROW(q4, 1) P4C_MAC_ROW(q5, 2) P4C_MAC_ROW(q6, 3) \
    P4C_TAP_ROWS_4_TO_13 \
    P4C_MAC_ROW(q0, 14) first P4C_MAC_ROW(q1, 15) second

/* The first n < 16 lanes, n a constant of the asm block. */
#define P4C_PART_FUSED(q, lane) ".if %[part] > " #lane " + 2\n" P4C_MAC_ROW_LOAD(q, lane) ".endif\n"
#define P4C_PART_LAST(qa, qb, lane, next) \
    ".if %[part] == " #lane " + 2\n" P4C_MAC_ROW(qa, lane) P4C_MAC_ROW(qb, next) ".endif\n"
#define P4C_TAP_PART \
    ".if %[part] == 1\n" \
    P4C_TAP_INPUT("nop\n") P4C_MAC_ROW(q0, 0) \
    ".endif\n" \
    ".if %[part] > 1\n" \
    P4C_TAP_LOADS \
    P4C_PART_FUSED(q0, 0) P4C_PART_FUSED(q1, 1) P4C_PART_FUSED(q0, 2) P4C_PART_FUSED(q1, 3) \
    P4C_PART_FUSED(q0, 4) P4C_PART_FUSED(q1, 5) P4C_PART_FUSED(q0, 6) P4C_PART_FUSED(q1, 7) \
    P4C_PART_FUSED(q0, 8) P4C_PART_FUSED(q1, 9) P4C_PART_FUSED(q0, 10) P4C_PART_FUSED(q1, 11) \
    P4C_PART_FUSED(q0, 12) \
    P4C_PART_LAST(q0, q1, 0, 1) P4C_PART_LAST(q1, q0, 1, 2) P4C_PART_LAST(q0, q1, 2, 3) \
    P4C_PART_LAST(q1, q0, 3, 4) P4C_PART_LAST(q0, q1, 4, 5) P4C_PART_LAST(q1, q0, 5, 6) \
    P4C_PART_LAST(q0, q1, 6, 7) P4C_PART_LAST(q1, q0, 7, 8) P4C_PART_LAST(q0, q1, 8, 9) \
    P4C_PART_LAST(q1, q0, 9, 10) P4C_PART_LAST(q0, q1, 10, 11) P4C_PART_LAST(q1, q0, 11, 12) \
    P4C_PART_LAST(q0, q1, 12, 13) P4C_PART_LAST(q1, q0, 13, 14) \
    ".endif\n"

#define P4C_LOAD_BIAS \
    PIE_LD_QACC_L_L_128_IP(a3, 16) PIE_LD_QACC_L_H_128_IP(a3, 16) \
    PIE_LD_QACC_H_L_128_IP(a3, 16) PIE_LD_QACC_H_H_128_IP(a3, -48)

/* What the asm blocks ask of a layer's requantization, in one operand: gcc allows 30, and counts those twice that are
 * read and written. */
#define P4C_PIE_FLAGS(q) \
    ((q).per_channel | ((q).rounding == P4C_HALF_EVEN) << 1 | ((q).qmin > -128 || (q).qmax < 127) << 2 | \
     (q).mixed << 7)
#define P4C_IF_PER_CHANNEL ".if %[flags] & 1\n"
#define P4C_IF_HALF_EVEN ".if %[flags] & 2\n"
#define P4C_IF_CLAMPS ".if %[flags] & 4\n"

#define P4C_IF_MIXED ".if %[flags] & 128\n"

/* Where channels round in both ways, QACC is kept in memory and read out twice, and q5 chooses: all ones in the lanes
 * that round down. Before v3.0 the mode is in CFG. */
struct p4c_pie_mixed {
    int32_t lanes[P4C_LANES];
    int8_t roundings[P4C_LANES];
} __attribute__((aligned(16)));

#if PIE_CHIP_REV == 1
#define P4C_SET_ROUNDING(mode) "li t6, " PIE_TEXT(mode) "\n" PIE_MOVX_W_CFG(t6)
#else
#define P4C_SET_ROUNDING(mode)
#endif

/* t5 points behind the lanes, at the roundings, and then at the lanes. */
#define P4C_MIXED_BEGIN \
    P4C_IF_MIXED PIE_VLD_128_IP(q5, t5, -64) PIE_ZERO_Q(q6) PIE_VCMP_EQ_S8(q5, q5, q6) ".endif\n"
#define P4C_READ_OUT_BOTH \
    PIE_ST_QACC_L_L_128_IP(t5, 16) PIE_ST_QACC_L_H_128_IP(t5, 16) \
    PIE_ST_QACC_H_L_128_IP(t5, 16) PIE_ST_QACC_H_H_128_IP(t5, -48) \
    P4C_SET_ROUNDING(PIE_CFG_RNE) \
    P4C_IF_PER_CHANNEL PIE_SRCMB_S8_Q_QACC_RNE(q2, q7) ".else\n" PIE_SRCMB_S8_QACC_RNE(q2, a4) ".endif\n" \
    PIE_LD_QACC_L_L_128_IP(t5, 16) PIE_LD_QACC_L_H_128_IP(t5, 16) \
    PIE_LD_QACC_H_L_128_IP(t5, 16) PIE_LD_QACC_H_H_128_IP(t5, -48) \
    P4C_SET_ROUNDING(PIE_CFG_RDN) \
    P4C_IF_PER_CHANNEL PIE_SRCMB_S8_Q_QACC_RDN(q6, q7) ".else\n" PIE_SRCMB_S8_QACC_RDN(q6, a4) ".endif\n" \
    "nop\n" PIE_XORQ(q6, q6, q2) PIE_ANDQ(q6, q6, q5) PIE_XORQ(q2, q2, q6)

/* QACC to q2: shifted, rounded to even or down, by one amount (a4) or one for each channel (q7). */
#define P4C_READ_OUT \
    P4C_IF_MIXED P4C_READ_OUT_BOTH ".else\n" \
    P4C_IF_PER_CHANNEL P4C_IF_HALF_EVEN PIE_SRCMB_S8_Q_QACC_RNE(q2, q7) ".else\n" \
    PIE_SRCMB_S8_Q_QACC_RDN(q2, q7) ".endif\n.else\n" P4C_IF_HALF_EVEN PIE_SRCMB_S8_QACC_RNE(q2, a4) ".else\n" \
    PIE_SRCMB_S8_QACC_RDN(q2, a4) ".endif\n.endif\n.endif\n"

/* Store one pixel of 16 channels, or two neighbouring ones of eight. */
#define P4C_STORE(between) \
    ".if %[flags] & 64\n" PIE_VST_L_64_IP(q2, a2, 16) between PIE_VST_H_64_IP(q2, a2, 16) \
    ".else\n" PIE_VST_128_XP(q2, a2, t4) between ".endif\n"

/* Read out, clamp, store, and start the next pixel with its bias; the scalar instructions set up the next pixel. */
#define P4C_NEXT_PIXEL(set_up_1, set_up_2, set_up_3, set_up_4, set_up_5) \
    P4C_READ_OUT set_up_1 PIE_LD_QACC_L_L_128_IP(a3, 16) set_up_2 \
    P4C_IF_CLAMPS PIE_VSAT_S8(q2, q2, a5, t3) ".endif\n" \
    PIE_LD_QACC_L_H_128_IP(a3, 16) set_up_3 PIE_LD_QACC_H_L_128_IP(a3, 16) set_up_4 \
    P4C_STORE(set_up_5) PIE_LD_QACC_H_H_128_IP(a3, -48)

/* What one call computes: `count` neighbouring output pixels of one block of 16 channels.
 *
 * Everything but the pointers, `rows` and `count` must be a compile-time constant. For each pixel `rows` kernel rows
 * are read; in each, `loops` * `repeats` groups of `full` whole vectors and one of `part` lanes, `skip` bytes apart.
 * Where inputs are `unaligned` each group takes one vector more from memory. `pairs` stores lanes 0-7 and 8-15 as two
 * pixels, 16 bytes apart.
 */
struct p4c_pie_run {
    int unaligned, pairs;
    int unroll; /* this many kernel rows are written out, or, if 1, `rows` are a loop; then there are no `loops` */
    int loops, repeats, full, part, skip;
    int row_step;     /* from the end of a kernel row's inputs to the next row's */
    int weight_step;  /* the same for its weights */
    int pixel_step;   /* from a pixel's first input to the next pixel's */
    int output_step;
};

/* Memory for reading out twice, with the block's 16 roundings at the end, which is returned. Where all round alike nothing
 * reads it, and the empty asm "sets" the pointer without an instruction. */
P4C_INLINE int8_t *p4c_pie_mixed_begin(struct p4c_requantize q, const int8_t *roundings, struct p4c_pie_mixed *mixed)
{
    int8_t *none;
    if (!q.mixed) {
        __asm__("" : "=r"(none));
        return none;
    }
    for (int i = 0; i < P4C_LANES; i++) mixed->roundings[i] = roundings[i];
    return mixed->roundings;
}

/* The parts of one kernel row. What steps to the next row pairs with the last multiplications where it can. */
#define P4C_CONV_SKIP ".if %[flags] & 8\n add a0, a0, %[skip]\n .endif\n"
#define P4C_CONV_NEXT_ROW "add a0, a0, %[row_step]\n"
#define P4C_CONV_COUNT_ROW ".if %[flags] >> 8 == 1\n addi %[row], %[row], -1\n .endif\n"
#define P4C_CONV_IF_ONE_LOOP(text) ".if %[loops] == 1\n" text ".endif\n"
#define P4C_CONV_GROUP P4C_RUN_BEGIN ".rept %[full]\n" P4C_TAP_16("", "") ".endr\n" P4C_TAP_PART P4C_CONV_SKIP
#define P4C_CONV_LAST_GROUP \
    P4C_RUN_BEGIN ".if %[part]\n" \
    ".rept %[full]\n" P4C_TAP_16("", "") ".endr\n" \
    P4C_TAP_PART P4C_CONV_IF_ONE_LOOP(P4C_CONV_NEXT_ROW P4C_CONV_COUNT_ROW) \
    ".else\n" \
    ".rept %[full] - 1\n" P4C_TAP_16("", "") ".endr\n" \
    P4C_TAP_16(P4C_CONV_IF_ONE_LOOP(P4C_CONV_NEXT_ROW), P4C_CONV_IF_ONE_LOOP(P4C_CONV_COUNT_ROW)) \
    ".endif\n" \
    P4C_CONV_SKIP

/* `shifts` and `roundings` hold 16 entries where the layer has one for each channel. */
P4C_INLINE void p4c_pie_conv_run(struct p4c_pie_run r, struct p4c_requantize q, const int8_t *shifts,
                                 const int8_t *roundings, int rows, int count, const int8_t *input, const int8_t *weights,
                                 const int32_t *bias, int8_t *output)
{
    struct p4c_pie_mixed mixed;
    register int8_t *readings __asm__("t5") = p4c_pie_mixed_begin(q, roundings, &mixed);
    register const int8_t *x __asm__("a0") = input;
    register const int8_t *w __asm__("a1") = weights;
    register int8_t *y __asm__("a2") = output;
    register const int32_t *b __asm__("a3") = bias;
    register intptr_t shift __asm__("a4") = q.per_channel ? (intptr_t)shifts : q.shift;
    register int low __asm__("a5") = q.qmin;
    register int high __asm__("t3") = q.qmax;
    register int output_step __asm__("t4") = r.output_step;
    int row, loop;
    __asm__ volatile(
        P4C_IF_PER_CHANNEL PIE_VLD_128_IP(q7, a4, 0) ".endif\n"
        P4C_MIXED_BEGIN
        P4C_LOAD_BIAS
        "mv %[row], %[rows]\n"
        "1:\n"
        ".rept %[flags] >> 8\n"
        ".if %[loops] > 1\n li %[loop], %[loops]\n .endif\n"
        "2:\n"
        ".rept %[repeats] - 1\n" P4C_CONV_GROUP ".endr\n"
        P4C_CONV_LAST_GROUP
        ".if %[loops] > 1\n addi %[loop], %[loop], -1\n bnez %[loop], 2b\n" P4C_CONV_NEXT_ROW P4C_CONV_COUNT_ROW ".endif\n"
        ".if %[flags] & 16\n add a1, a1, %[weight_step]\n .endif\n"
        ".endr\n"
        ".if %[flags] >> 8 == 1\n bnez %[row], 1b\n .endif\n"
        P4C_NEXT_PIXEL("add %[input], %[input], %[pixel_step]\n", "mv a0, %[input]\n", "mv a1, %[weights]\n",
                       "addi %[count], %[count], -1\n", "mv %[row], %[rows]\n")
        "bnez %[count], 1b\n"
        : "+&r"(x), "+&r"(w), "+&r"(y), "+&r"(readings), [input] "+&r"(input), [count] "+&r"(count), [row] "=&r"(row),
          [loop] "=&r"(loop)
        : "r"(b), "r"(shift), "r"(low), "r"(high), "r"(output_step), [rows] "r"(rows), [weights] "r"(weights), [row_step] "r"(r.row_step),
          [weight_step] "r"(r.weight_step), [pixel_step] "r"(r.pixel_step), [skip] "r"(r.skip),
          [loops] "i"(r.loops), [repeats] "i"(r.repeats), [full] "i"(r.full), [part] "i"(r.part),
          [flags] "i"(P4C_PIE_FLAGS(q) | (r.skip != 0) << 3 | (r.weight_step != 0) << 4 | r.unaligned << 5 | r.pairs << 6 |
                      r.unroll << 8)
        : "memory", "t6");
}

/* The same for a 1x1 kernel of `full` >= 1 whole vectors: four weight rows stay in registers from pixel to pixel. */
P4C_INLINE void p4c_pie_pointwise_run(struct p4c_pie_run r, struct p4c_requantize q, const int8_t *shifts, int count,
                                      const int8_t *input, const int8_t *weights, const int32_t *bias, int8_t *output)
{
    register const int8_t *x __asm__("a0") = input;
    register const int8_t *w __asm__("a1") = weights;
    register int8_t *y __asm__("a2") = output;
    register const int32_t *b __asm__("a3") = bias;
    register intptr_t shift __asm__("a4") = q.per_channel ? (intptr_t)shifts : q.shift;
    register int low __asm__("a5") = q.qmin;
    register int high __asm__("t3") = q.qmax;
    register int output_step __asm__("t4") = r.output_step;
    const int8_t *streamed = weights + 64;
    __asm__ volatile(
        P4C_IF_PER_CHANNEL PIE_VLD_128_IP(q7, a4, 0) ".endif\n"
        PIE_VLD_128_IP(q3, a1, 16) PIE_VLD_128_IP(q4, a1, 16) PIE_VLD_128_IP(q5, a1, 16) PIE_VLD_128_IP(q6, a1, 16)
        P4C_LOAD_BIAS
        "1:\n"
        ".if %[full] == 1\n"
        P4C_TAP_16_HELD("add a0, a0, %[pixel_skip]\n", "mv a1, %[streamed]\n")
        ".else\n"
        P4C_TAP_16_HELD("", "")
        ".rept %[full] - 2\n" P4C_TAP_16("", "") ".endr\n"
        P4C_TAP_16("add a0, a0, %[pixel_skip]\n", "mv a1, %[streamed]\n")
        ".endif\n"
        P4C_NEXT_PIXEL("addi %[count], %[count], -1\n", "", "", "", "")
        "bnez %[count], 1b\n"
        : "+&r"(x), "+&r"(w), "+&r"(y), "+&r"(b), "+&r"(shift), [count] "+&r"(count)
        : "r"(low), "r"(high), "r"(output_step), [streamed] "r"(streamed),
          [pixel_skip] "r"(r.pixel_step - 16 * r.full), [full] "i"(r.full), [flags] "i"(P4C_PIE_FLAGS(q))
        : "memory");
}

/* One pixel of a 1x1 kernel for `blocks` blocks of 16 channels in turn, whose weights, biases and shifts follow each other:
 * `loops` * `full` whole vectors of input each. All channels round alike. */
P4C_INLINE void p4c_pie_blocks_run(struct p4c_pie_run r, struct p4c_requantize q, const int8_t *shifts, int blocks,
                                   const int8_t *input, const int8_t *weights, const int32_t *bias, int8_t *output)
{
    register const int8_t *x __asm__("a0");
    register const int8_t *w __asm__("a1") = weights;
    register int8_t *y __asm__("a2") = output;
    register const int32_t *b __asm__("a3") = bias;
    register intptr_t shift __asm__("a4") = q.per_channel ? (intptr_t)shifts : q.shift;
    register int low __asm__("a5") = q.qmin;
    register int high __asm__("t3") = q.qmax;
    int loop;
    __asm__ volatile(
        "1:\n"
        PIE_LD_QACC_L_L_128_IP(a3, 16) "mv a0, %[input]\n" PIE_LD_QACC_L_H_128_IP(a3, 16)
        ".if %[loops] > 1\n li %[loop], %[loops]\n .endif\n"
        PIE_LD_QACC_H_L_128_IP(a3, 16) PIE_LD_QACC_H_H_128_IP(a3, 16)
        P4C_IF_PER_CHANNEL PIE_VLD_128_IP(q7, a4, 16) ".endif\n"
        "2:\n"
        ".rept %[full] - 1\n" P4C_TAP_16("", "") ".endr\n"
        P4C_TAP_16(".if %[loops] > 1\n addi %[loop], %[loop], -1\n .endif\n", "")
        ".if %[loops] > 1\n bnez %[loop], 2b\n .endif\n"
        P4C_READ_OUT "addi %[blocks], %[blocks], -1\n"
        P4C_IF_CLAMPS "nop\n" PIE_VSAT_S8(q2, q2, a5, t3) ".else\nnop\n.endif\n"
        PIE_VST_128_IP(q2, a2, 16)
        "bnez %[blocks], 1b\n"
        : "=&r"(x), "+&r"(w), "+&r"(y), "+&r"(b), "+&r"(shift), [blocks] "+&r"(blocks), [loop] "=&r"(loop)
        : "r"(low), "r"(high), [input] "r"(input), [loops] "i"(r.loops), [full] "i"(r.full),
          [flags] "i"(P4C_PIE_FLAGS(q) & 7)
        : "memory");
}

/* The accumulators of one pixel of one block, unrounded: int32[16], 16-byte aligned. Inputs are `loops` * `full` whole
 * vectors. */
P4C_INLINE void p4c_pie_accumulate(struct p4c_pie_run r, const int8_t *input, const int8_t *weights, const int32_t *bias,
                                   int32_t *output)
{
    register const int8_t *x __asm__("a0") = input;
    register const int8_t *w __asm__("a1") = weights;
    register int32_t *y __asm__("a2") = output;
    register const int32_t *b __asm__("a3") = bias;
    int loop;
    __asm__ volatile(
        P4C_LOAD_BIAS
        "li %[loop], %[loops]\n"
        "1:\n"
        ".rept %[full]\n" P4C_TAP_16("", "") ".endr\n"
        "addi %[loop], %[loop], -1\n"
        "bnez %[loop], 1b\n"
        PIE_ST_QACC_L_L_128_IP(a2, 16) PIE_ST_QACC_L_H_128_IP(a2, 16)
        PIE_ST_QACC_H_L_128_IP(a2, 16) PIE_ST_QACC_H_H_128_IP(a2, 16)
        : "+&r"(x), "+&r"(w), "+&r"(y), "+&r"(b), [loop] "=&r"(loop)
        : [loops] "i"(r.loops), [full] "i"(r.full), [flags] "i"(0)
        : "memory");
}

/* `vectors` times 16 zeros, a constant. */
P4C_INLINE void p4c_pie_zero(int8_t *to, int vectors)
{
    register int8_t *y __asm__("a1") = to;
    __asm__ volatile(
        PIE_ZERO_Q(q0) ".rept %[vectors]\n" PIE_VST_128_IP(q0, a1, 16) ".endr\n"
        : "+&r"(y)
        : [vectors] "i"(vectors)
        : "memory");
}

/* CFG holds the rounding mode on chips before v3.0 and is shared by all tasks of a core: every layer sets it. */
P4C_INLINE void p4c_pie_begin(int rounding)
{
#if PIE_CHIP_REV == 1
    register int cfg __asm__("a0") = rounding == P4C_HALF_EVEN ? PIE_CFG_RNE : PIE_CFG_RDN;
    __asm__ volatile(PIE_MOVX_W_CFG(a0) : : "r"(cfg));
#else
    (void)rounding;
#endif
}

#endif
