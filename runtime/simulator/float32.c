/* float32.c: binary32 arithmetic by way of exact integers and one rounding.
 *
 * A finite operand becomes sign, significand and exponent, with the value significand * 2^exponent.
 * Each operation makes such a number of up to 62 bits that is exact, or whose lowest bit stands for
 * "and something more" (a sticky bit, at least two places below where rounding happens); then
 * round_and_pack() does the rest: rounding, subnormals, overflow and the flags.
 */
#include "float32.h"

#define CANONICAL_NAN 0x7fc00000u
#define INFINITY_BITS 0x7f800000u
#define LARGEST_FINITE 0x7f7fffffu
#define QUIET_BIT 0x00400000u
#define FRACTION_BITS 23
#define HIDDEN_BIT (1u << FRACTION_BITS)
#define MIN_EXPONENT (-149) /* of the lowest bit of a subnormal number */
#define TOP_BIT 61          /* where operands of an addition are aligned: the carry goes to bit 62 */

struct number {
    bool negative;
    int exponent;
    uint64_t significand;
};

static bool is_nan(uint32_t a) { return (a & ~FLOAT_SIGN) > INFINITY_BITS; }
static bool is_signaling(uint32_t a) { return is_nan(a) && !(a & QUIET_BIT); }
static bool is_infinite(uint32_t a) { return (a & ~FLOAT_SIGN) == INFINITY_BITS; }
static bool is_zero(uint32_t a) { return (a & ~FLOAT_SIGN) == 0; }
static uint32_t sign_of(uint32_t a) { return a & FLOAT_SIGN; }

/* What every operation returns that has a NaN among its operands. */
static uint32_t propagate_nan(bool signaling, uint32_t *flags) {
    if (signaling) *flags |= FLAG_INVALID;
    return CANONICAL_NAN;
}

static uint32_t invalid(uint32_t *flags) {
    *flags |= FLAG_INVALID;
    return CANONICAL_NAN;
}

static struct number unpack(uint32_t a) {
    int exponent = (int)(a >> FRACTION_BITS & 0xff);
    uint32_t fraction = a & (HIDDEN_BIT - 1);
    bool normal = exponent != 0;
    return (struct number){
        .negative = sign_of(a) != 0,
        .exponent = MIN_EXPONENT + (normal ? exponent - 1 : 0),
        .significand = normal ? fraction | HIDDEN_BIT : fraction,
    };
}

static int top_bit(uint64_t value) { return 63 - __builtin_clzll(value); }

/* The same value with its highest set bit moved up to `bit`; not for zero. */
static struct number normalize(struct number a, int bit) {
    int shift = bit - top_bit(a.significand);
    a.significand <<= shift;
    a.exponent -= shift;
    return a;
}

/* significand / 2^shift as an integer, rounded; says whether anything was lost. */
static uint64_t round_shift(struct number a, int shift, uint32_t rounding, bool *inexact) {
    if (shift <= 0) {
        *inexact = false;
        return a.significand << -shift;
    }
    /* From 63 on all is rest, and less than half: significands have at most 62 bits. */
    bool far = shift > 62;
    uint64_t kept = far ? 0 : a.significand >> shift;
    uint64_t rest = far ? a.significand : a.significand & ((UINT64_C(1) << shift) - 1);
    uint64_t half = far ? UINT64_MAX : UINT64_C(1) << (shift - 1);
    bool up = false;
    switch (rounding) {
    case ROUND_NEAREST_EVEN: up = rest > half || (rest == half && (kept & 1)); break;
    case ROUND_NEAREST_AWAY: up = rest >= half; break;
    case ROUND_DOWN: up = a.negative && rest != 0; break;
    case ROUND_UP: up = !a.negative && rest != 0; break;
    default: break;
    }
    *inexact = rest != 0;
    return kept + up;
}

static uint32_t overflow(bool negative, uint32_t rounding, uint32_t *flags) {
    *flags |= FLAG_OVERFLOW | FLAG_INEXACT;
    bool to_finite = rounding == ROUND_TO_ZERO || rounding == (negative ? ROUND_UP : ROUND_DOWN);
    return (negative ? FLOAT_SIGN : 0) | (to_finite ? LARGEST_FINITE : INFINITY_BITS);
}

static uint32_t round_and_pack(struct number a, uint32_t rounding, uint32_t *flags) {
    uint32_t sign = a.negative ? FLOAT_SIGN : 0;
    if (a.significand == 0) return sign;
    bool inexact = false;
    int normal_shift = top_bit(a.significand) - FRACTION_BITS;
    int subnormal_shift = MIN_EXPONENT - a.exponent;
    bool tiny = normal_shift < subnormal_shift;
    /* Tiny after rounding: not if 24 bits, with no bound on the exponent, would round up to normal. */
    if (normal_shift == subnormal_shift - 1) {
        tiny = round_shift(a, normal_shift, rounding, &inexact) < HIDDEN_BIT << 1;
    }
    int shift = normal_shift < subnormal_shift ? subnormal_shift : normal_shift;
    uint64_t kept = round_shift(a, shift, rounding, &inexact);
    int biased = a.exponent + shift - MIN_EXPONENT;
    if (biased >= 0xff) return overflow(a.negative, rounding, flags);
    /* The hidden bit adds 1 to the exponent field, and so does a carry out of the fraction. */
    uint32_t bits = ((uint32_t)biased << FRACTION_BITS) + (uint32_t)kept;
    if (bits >= INFINITY_BITS) return overflow(a.negative, rounding, flags);
    if (inexact) *flags |= FLAG_INEXACT | (tiny ? FLAG_UNDERFLOW : 0);
    return sign | bits;
}

/* value / 2^shift, with the lowest bit set if anything was shifted out. */
static uint64_t shift_right_sticky(uint64_t value, int shift) {
    if (shift == 0) return value;
    if (shift > 63) return value != 0;
    return value >> shift | ((value << (64 - shift)) != 0);
}

/* Rounded sum of two finite numbers with at most 48 significant bits. */
static uint32_t add_numbers(struct number a, struct number b, uint32_t rounding, uint32_t *flags) {
    struct number zero = {.negative = a.negative == b.negative ? a.negative : rounding == ROUND_DOWN};
    if (a.significand == 0 && b.significand == 0) return round_and_pack(zero, rounding, flags);
    if (a.significand == 0) return round_and_pack(b, rounding, flags);
    if (b.significand == 0) return round_and_pack(a, rounding, flags);
    a = normalize(a, TOP_BIT);
    b = normalize(b, TOP_BIT);
    if (a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)) {
        struct number swap = a;
        a = b;
        b = swap;
    }
    b.significand = shift_right_sticky(b.significand, a.exponent - b.exponent);
    if (a.negative == b.negative) {
        a.significand += b.significand;
        /* 63 bits at most; round_shift() takes 62. */
        a.significand = shift_right_sticky(a.significand, 1);
        a.exponent += 1;
    } else {
        a.significand -= b.significand;
    }
    return round_and_pack(a.significand == 0 ? zero : a, rounding, flags);
}

uint32_t p4c_f32_add(uint32_t a, uint32_t b, uint32_t rounding, uint32_t *flags) {
    if (is_nan(a) || is_nan(b)) return propagate_nan(is_signaling(a) || is_signaling(b), flags);
    if (is_infinite(a)) return is_infinite(b) && a != b ? invalid(flags) : a;
    if (is_infinite(b)) return b;
    return add_numbers(unpack(a), unpack(b), rounding, flags);
}

uint32_t p4c_f32_sub(uint32_t a, uint32_t b, uint32_t rounding, uint32_t *flags) {
    return p4c_f32_add(a, b ^ FLOAT_SIGN, rounding, flags); /* a NaN stays one, as quiet as it was */
}

static struct number multiply(struct number a, struct number b) {
    return (struct number){
        .negative = a.negative != b.negative,
        .exponent = a.exponent + b.exponent,
        .significand = a.significand * b.significand,
    };
}

uint32_t p4c_f32_mul(uint32_t a, uint32_t b, uint32_t rounding, uint32_t *flags) {
    if (is_nan(a) || is_nan(b)) return propagate_nan(is_signaling(a) || is_signaling(b), flags);
    if (is_infinite(a) || is_infinite(b)) {
        return is_zero(a) || is_zero(b) ? invalid(flags) : sign_of(a ^ b) | INFINITY_BITS;
    }
    return round_and_pack(multiply(unpack(a), unpack(b)), rounding, flags);
}

uint32_t p4c_f32_fma(uint32_t a, uint32_t b, uint32_t c, uint32_t rounding, uint32_t *flags) {
    bool infinite_product = is_infinite(a) || is_infinite(b);
    /* Infinity times zero is invalid even where a quiet NaN is added. */
    if (infinite_product && (is_zero(a) || is_zero(b))) return invalid(flags);
    if (is_nan(a) || is_nan(b) || is_nan(c)) {
        return propagate_nan(is_signaling(a) || is_signaling(b) || is_signaling(c), flags);
    }
    if (infinite_product) {
        uint32_t product = sign_of(a ^ b) | INFINITY_BITS;
        return is_infinite(c) && c != product ? invalid(flags) : product;
    }
    if (is_infinite(c)) return c;
    return add_numbers(multiply(unpack(a), unpack(b)), unpack(c), rounding, flags);
}

uint32_t p4c_f32_div(uint32_t a, uint32_t b, uint32_t rounding, uint32_t *flags) {
    if (is_nan(a) || is_nan(b)) return propagate_nan(is_signaling(a) || is_signaling(b), flags);
    uint32_t sign = sign_of(a ^ b);
    if (is_infinite(a)) return is_infinite(b) ? invalid(flags) : sign | INFINITY_BITS;
    if (is_infinite(b)) return sign;
    if (is_zero(b)) {
        if (is_zero(a)) return invalid(flags);
        *flags |= FLAG_DIVIDE;
        return sign | INFINITY_BITS;
    }
    if (is_zero(a)) return sign;
    struct number dividend = normalize(unpack(a), TOP_BIT);
    struct number divisor = normalize(unpack(b), FRACTION_BITS);
    uint64_t quotient = dividend.significand / divisor.significand;
    bool sticky = dividend.significand % divisor.significand != 0;
    struct number result = {
        .negative = sign != 0,
        .exponent = dividend.exponent - divisor.exponent,
        .significand = quotient | sticky,
    };
    return round_and_pack(result, rounding, flags);
}

uint32_t p4c_f32_sqrt(uint32_t a, uint32_t rounding, uint32_t *flags) {
    if (is_nan(a)) return propagate_nan(is_signaling(a), flags);
    if (is_zero(a)) return a;
    if (sign_of(a)) return invalid(flags);
    if (is_infinite(a)) return a;
    struct number number = normalize(unpack(a), TOP_BIT);
    if (number.exponent & 1) { /* an even exponent, so that half of it is one */
        number.significand >>= 1; /* exact: the low bits are zero */
        number.exponent += 1;
    }
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 30; bit != 0; bit >>= 1) {
        if ((root | bit) * (root | bit) <= number.significand) root |= bit;
    }
    bool sticky = root * root != number.significand;
    /* Two more places than the root's own, so that the sticky bit lies below all of them. */
    struct number result = {.exponent = number.exponent / 2 - 1, .significand = root << 1 | sticky};
    return round_and_pack(result, rounding, flags);
}

/* a < b for anything but NaN, where -0 < +0 if `signed_zeros`. */
static bool orders_before(uint32_t a, uint32_t b, bool signed_zeros) {
    if (is_zero(a) && is_zero(b) && !signed_zeros) return false;
    if (sign_of(a) != sign_of(b)) return sign_of(a) != 0;
    return sign_of(a) ? a > b : a < b;
}

/* min and max: `first` where a orders before b. */
static uint32_t choose(uint32_t a, uint32_t b, uint32_t first, uint32_t second, uint32_t *flags) {
    if (is_signaling(a) || is_signaling(b)) *flags |= FLAG_INVALID;
    if (is_nan(a)) return is_nan(b) ? CANONICAL_NAN : b;
    if (is_nan(b)) return a;
    return orders_before(a, b, true) ? first : second;
}

uint32_t p4c_f32_min(uint32_t a, uint32_t b, uint32_t *flags) { return choose(a, b, a, b, flags); }
uint32_t p4c_f32_max(uint32_t a, uint32_t b, uint32_t *flags) { return choose(a, b, b, a, flags); }

bool p4c_f32_equal(uint32_t a, uint32_t b, uint32_t *flags) {
    if (is_signaling(a) || is_signaling(b)) *flags |= FLAG_INVALID;
    if (is_nan(a) || is_nan(b)) return false;
    return a == b || (is_zero(a) && is_zero(b));
}

bool p4c_f32_less(uint32_t a, uint32_t b, uint32_t *flags) {
    if (is_nan(a) || is_nan(b)) {
        *flags |= FLAG_INVALID;
        return false;
    }
    return orders_before(a, b, false);
}

bool p4c_f32_less_equal(uint32_t a, uint32_t b, uint32_t *flags) {
    if (is_nan(a) || is_nan(b)) {
        *flags |= FLAG_INVALID;
        return false;
    }
    return !orders_before(b, a, false);
}

/* Rounded to an integer; `limit` where the magnitude does not fit. Infinity reads as 2^128 here. */
static uint64_t round_to_integer(uint32_t a, uint32_t rounding, uint64_t limit, bool *inexact) {
    struct number number = unpack(a);
    *inexact = false;
    if (number.exponent > 32) return limit;
    uint64_t magnitude = round_shift(number, -number.exponent, rounding, inexact);
    return magnitude > limit ? limit : magnitude;
}

uint32_t p4c_f32_to_i32(uint32_t a, uint32_t rounding, uint32_t *flags) {
    bool inexact = false;
    bool negative = sign_of(a) && !is_nan(a);
    uint64_t magnitude = round_to_integer(a, rounding, UINT64_C(1) << 32, &inexact);
    if (is_nan(a) || magnitude > (negative ? UINT64_C(0x80000000) : UINT64_C(0x7fffffff))) {
        *flags |= FLAG_INVALID;
        return negative ? 0x80000000u : 0x7fffffffu;
    }
    if (inexact) *flags |= FLAG_INEXACT;
    return negative ? -(uint32_t)magnitude : (uint32_t)magnitude;
}

uint32_t p4c_f32_to_u32(uint32_t a, uint32_t rounding, uint32_t *flags) {
    bool inexact = false;
    bool negative = sign_of(a) && !is_nan(a);
    uint64_t magnitude = round_to_integer(a, rounding, UINT64_C(1) << 32, &inexact);
    if (is_nan(a) || magnitude > (negative ? 0 : UINT32_MAX)) {
        *flags |= FLAG_INVALID;
        return negative ? 0 : UINT32_MAX;
    }
    if (inexact) *flags |= FLAG_INEXACT;
    return (uint32_t)magnitude;
}

uint32_t p4c_f32_from_i32(uint32_t a, uint32_t rounding, uint32_t *flags) {
    bool negative = a >> 31;
    struct number number = {.negative = negative, .significand = negative ? -a : a};
    return round_and_pack(number, rounding, flags);
}

uint32_t p4c_f32_from_u32(uint32_t a, uint32_t rounding, uint32_t *flags) {
    return round_and_pack((struct number){.significand = a}, rounding, flags);
}

uint32_t p4c_f32_classify(uint32_t a) {
    uint32_t magnitude = a & ~FLOAT_SIGN;
    bool negative = sign_of(a) != 0;
    if (is_nan(a)) return is_signaling(a) ? 1u << 8 : 1u << 9;
    if (magnitude == INFINITY_BITS) return negative ? 1u << 0 : 1u << 7;
    if (magnitude >= HIDDEN_BIT) return negative ? 1u << 1 : 1u << 6;
    if (magnitude != 0) return negative ? 1u << 2 : 1u << 5;
    return negative ? 1u << 3 : 1u << 4;
}
