/* pie_decode.c: from PIE words to decoded instructions, by the generated tables of pie_tables.h. */
#include "pie_lanes.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct pie_row *find(const struct pie_row *rows, size_t count, uint32_t word) {
    for (size_t r = 0; r < count; r++) {
        if ((word & rows[r].mask) == rows[r].match) return &rows[r];
    }
    return NULL;
}

static void place_operand(struct pie_instruction *i, enum pie_operand operand, int32_t value) {
    const uint8_t number = (uint8_t)value;
    i->present |= 1u << operand;
    switch (operand) {
    case PIE_OP_QU: i->qu = number; break;
    case PIE_OP_QV: i->qv = number; break;
    case PIE_OP_QW: i->qw = number; break;
    case PIE_OP_QX: i->qx = number; break;
    case PIE_OP_QY: i->qy = number; break;
    case PIE_OP_QZ: i->qz = number; break;
    case PIE_OP_RS2: i->rs2 = number; break;
    case PIE_OP_RD: i->rd = number; break;
    case PIE_OP_SAT: i->saturate = number; break;
    case PIE_OP_RM: i->rounding = number; break;
    case PIE_OP_SEL8: i->select2 = number; break;
    case PIE_OP_OFF:
    case PIE_OP_TARGET: i->step = value; break;
    case PIE_OP_COUNT: i->count = (uint16_t)value; break;
    case PIE_OP_XD:
        i->rd = value == 0 ? 32 : number;
        i->select = number;
        break;
    /* addx2 and its like are rd = xs1 + (xs2 << 1); sat clamps rd between xs0 and xs1; lp.* has xs1 alone. */
    case PIE_OP_RS1:
    case PIE_OP_XS1: i->rs1 = number; break;
    case PIE_OP_XS0:
    case PIE_OP_XS2: i->rs2 = number; break;
    default: i->select = number; break;
    }
}

static uint8_t bytes_of(uint8_t lanes) {
    switch (lanes) {
    case PIE_L_S8:
    case PIE_L_U8: return 1;
    case PIE_L_S16:
    case PIE_L_U16: return 2;
    default: return 4;
    }
}

static void describe_access(struct pie_instruction *i) {
    i->size = 16;
    switch (i->family) {
    case PIE_F_LOAD_BROADCAST:
    case PIE_F_LOAD_INDEXED:
    case PIE_F_STORE_INDEXED: i->size = bytes_of(i->lanes); break;
    case PIE_F_LOAD_LOW:
    case PIE_F_LOAD_HIGH:
    case PIE_F_LOAD_XACC:
    case PIE_F_STORE_LOW:
    case PIE_F_STORE_HIGH:
    case PIE_F_STORE_XACC: i->size = 8; break;
    default: break;
    }
    i->indexed = i->family == PIE_F_LOAD_INDEXED || i->family == PIE_F_STORE_INDEXED;
    i->store = i->family == PIE_F_STORE_INDEXED;
    switch (i->memory) {
    case PIE_M_LD_XP: i->by_register = true; break;
    case PIE_M_ST_XP: i->by_register = true; /* fall through */
    case PIE_M_ST_IP: i->store = true; break;
    case PIE_M_ST_INCP: i->store = true; /* fall through */
    case PIE_M_LD_INCP: i->step = 16; break;
    case PIE_M_LDBC_INCP: i->size = bytes_of(i->lanes); i->step = i->size; break;
    default: break;
    }
}

/* What it needs that may be forbidden, and which quarter of QACC it names. */
static void describe_needs(struct pie_instruction *i) {
    i->needs = NEED_UNIT;
    switch (i->family) {
    case PIE_F_LOAD_QACC_LL: i->select = 0; break;
    case PIE_F_LOAD_QACC_LH: i->select = 1; break;
    case PIE_F_LOAD_QACC_HL: i->select = 2; break;
    case PIE_F_LOAD_QACC_HH: i->select = 3; break;
    case PIE_F_STORE_QACC_LL: i->select = 0; i->needs |= NEED_QUARTER(0); break;
    case PIE_F_STORE_QACC_LH: i->select = 1; i->needs |= NEED_QUARTER(1); break;
    case PIE_F_STORE_QACC_HL: i->select = 2; i->needs |= NEED_QUARTER(2); break;
    case PIE_F_STORE_QACC_HH: i->select = 3; i->needs |= NEED_QUARTER(3); break;
    case PIE_F_VMULAS_QACC:
    case PIE_F_VSMULAS_QACC:
    case PIE_F_SRCMB:
    case PIE_F_SRCMB_Q: i->needs |= NEED_QACC; break;
    case PIE_F_VCMULAS_QACC_L: i->needs |= NEED_QACC_LOW; break;
    case PIE_F_VCMULAS_QACC_H: i->needs |= NEED_QACC_HIGH; break;
    case PIE_F_ADDX2:
    case PIE_F_ADDX4:
    case PIE_F_SUBX2:
    case PIE_F_SUBX4:
    case PIE_F_SAT: i->needs = 0; break; /* scalar instructions that share the encoding space */
    default: break;
    }
}

static bool is_loop(uint8_t family) {
    return family >= PIE_F_LP_COUNT && family <= PIE_F_LP_STARTI;
}

/* fft.* and the performance counter. */
static bool is_left_out(uint8_t family) {
    return (family >= PIE_F_FFT_AMS && family <= PIE_F_FFT_BITREV) || family == PIE_F_MOVX_R_PERF ||
           family == PIE_F_MOVX_W_PERF;
}

static pie_compute compute_of(const struct pie_instruction *i) {
    pie_compute compute = p4c_pie_accumulate(i->family, i->lanes);
    if (compute == NULL) compute = p4c_pie_readout(i->family, i->lanes);
    if (compute == NULL) compute = p4c_pie_arithmetic(i->family, i->lanes);
    if (compute == NULL) compute = p4c_pie_shift(i->family, i->lanes);
    if (compute == NULL) compute = p4c_pie_move(i->family, i->lanes);
    return compute;
}

uint16_t p4c_pie_decode(const struct p4c_sim *sim, uint32_t word, struct pie_instruction *i) {
    const bool v1 = sim->chip_revision == 1;
    const struct pie_row *row =
        v1 ? find(pie_rows_v1, COUNT(pie_rows_v1), word) : find(pie_rows_v3, COUNT(pie_rows_v3), word);
    if (row == NULL) return OP_illegal;
    const bool keeps_low_bits =
        v1 && (row->family == PIE_F_VSL || row->family == PIE_F_VSLD || row->family == PIE_F_VSRD);
    *i = (struct pie_instruction){.family = row->family,
                                  .lanes = row->lanes,
                                  .memory = row->memory,
                                  .saturate = !keeps_low_bits,
                                  .rounding = PIE_ROUNDING_DYNAMIC};
    for (int operand = 0; operand < row->count; operand++) {
        const struct pie_field *field = &pie_fields[row->fields[operand]];
        place_operand(i, field->operand, pie_operand_value(field, word));
    }
    if (is_left_out(row->family)) return OP_left_out;
    if (is_loop(row->family)) return OP_loop;
    describe_access(i);
    describe_needs(i);
    i->compute = compute_of(i);
    i->access = p4c_pie_access(i);
    return i->access != NULL ? OP_pie_memory : OP_pie_compute;
}
