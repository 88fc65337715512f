/* float32.h: IEEE 754 binary32 arithmetic on bit patterns, exactly as RISC-V's F extension defines it.
 *
 * Written with integers rather than the host's floating point, so that results and flags are the same
 * on every host, compiler and optimization level. Every function ORs the exceptions it raises into
 * *flags. A NaN result is always the canonical one. Tininess is detected after rounding.
 */
#ifndef P4C_SIM_FLOAT32_H
#define P4C_SIM_FLOAT32_H

#include <stdbool.h>
#include <stdint.h>

/* Rounding modes and exception flags, by their RISC-V numbers. */
enum float_rounding { ROUND_NEAREST_EVEN, ROUND_TO_ZERO, ROUND_DOWN, ROUND_UP, ROUND_NEAREST_AWAY };
enum { FLAG_INEXACT = 1, FLAG_UNDERFLOW = 2, FLAG_OVERFLOW = 4, FLAG_DIVIDE = 8, FLAG_INVALID = 16 };

#define FLOAT_SIGN 0x80000000u

uint32_t p4c_f32_add(uint32_t a, uint32_t b, uint32_t rounding, uint32_t *flags);
uint32_t p4c_f32_sub(uint32_t a, uint32_t b, uint32_t rounding, uint32_t *flags);
uint32_t p4c_f32_mul(uint32_t a, uint32_t b, uint32_t rounding, uint32_t *flags);
uint32_t p4c_f32_div(uint32_t a, uint32_t b, uint32_t rounding, uint32_t *flags);
uint32_t p4c_f32_sqrt(uint32_t a, uint32_t rounding, uint32_t *flags);

/* a * b + c, rounded once. */
uint32_t p4c_f32_fma(uint32_t a, uint32_t b, uint32_t c, uint32_t rounding, uint32_t *flags);

/* The lesser or the greater; -0 is less than +0, and a number wins over a NaN. */
uint32_t p4c_f32_min(uint32_t a, uint32_t b, uint32_t *flags);
uint32_t p4c_f32_max(uint32_t a, uint32_t b, uint32_t *flags);

/* Equal raises INVALID for signaling NaNs only, the other two for any NaN. */
bool p4c_f32_equal(uint32_t a, uint32_t b, uint32_t *flags);
bool p4c_f32_less(uint32_t a, uint32_t b, uint32_t *flags);
bool p4c_f32_less_equal(uint32_t a, uint32_t b, uint32_t *flags);

/* To int32 or uint32; out of range saturates, NaN gives the greatest value, both raising INVALID. */
uint32_t p4c_f32_to_i32(uint32_t a, uint32_t rounding, uint32_t *flags);
uint32_t p4c_f32_to_u32(uint32_t a, uint32_t rounding, uint32_t *flags);
uint32_t p4c_f32_from_i32(uint32_t a, uint32_t rounding, uint32_t *flags);
uint32_t p4c_f32_from_u32(uint32_t a, uint32_t rounding, uint32_t *flags);

/* The ten-bit mask of fclass.s. */
uint32_t p4c_f32_classify(uint32_t a);

#endif
