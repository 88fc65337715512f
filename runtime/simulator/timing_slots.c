/* timing_slots.c: what the timing model must know of an instruction: operands, latencies, unit, issue cycles. */
#include <stdlib.h>
#include <string.h>

#include "pie_tables.h"
#include "timing.h"

/* The formats of instructions.h. */
enum format { NONE, R, I, SHIFT, S, B, J, U, PC, CSR, FI, FR, FX };

static const uint8_t FORMATS[OP_SHORT] = {
#define FORMAT(name, match, mask, format) [OP_##name] = format,
    FOR_EACH_INSTRUCTION(FORMAT)
#undef FORMAT
};

static void add_source(struct timing_slot *slot, uint32_t score) {
    for (int k = 0; k < MAX_SOURCES; k++) {
        if (slot->sources[k] != SCORE_X) continue;
        slot->sources[k] = (uint8_t)score;
        break;
    }
    if (score < SCORE_SINK) slot->touches |= 1u << score;
}

static void add_result(struct timing_slot *slot, uint32_t score, uint32_t latency) {
    for (int k = 0; k < MAX_RESULTS; k++) {
        if (slot->results[k] != SCORE_SINK) continue;
        slot->results[k] = (uint8_t)score;
        slot->latency[k] = (uint8_t)(latency + slot->issue - 1);
        break;
    }
    if (score < SCORE_SINK) {
        slot->touches |= 1u << score;
        slot->writes |= 1u << score;
    }
}

static uint32_t latency_of(uint16_t op) {
    switch (op) {
    case OP_lb:
    case OP_lh:
    case OP_lw:
    case OP_lbu:
    case OP_lhu:
    case OP_flw:
    case OP_lr_w:
    case OP_sc_w:
    case OP_amoswap_w:
    case OP_amoadd_w:
    case OP_amoxor_w:
    case OP_amoand_w:
    case OP_amoor_w:
    case OP_amomin_w:
    case OP_amomax_w:
    case OP_amominu_w:
    case OP_amomaxu_w: return TIME_INTEGER_LOAD;
    case OP_mul:
    case OP_mulh:
    case OP_mulhsu:
    case OP_mulhu: return TIME_MULTIPLY;
    case OP_div:
    case OP_divu:
    case OP_rem:
    case OP_remu: return TIME_DIVIDE;
    case OP_fadd_s:
    case OP_fsub_s:
    case OP_fmul_s:
    case OP_fmadd_s:
    case OP_fmsub_s:
    case OP_fnmsub_s:
    case OP_fnmadd_s: return TIME_FLOAT_ARITHMETIC;
    case OP_fdiv_s:
    case OP_fsqrt_s: return TIME_FLOAT_DIVIDE;
    default: return FORMATS[op] == FR || FORMATS[op] == FX ? TIME_FLOAT_MOVE : 1;
    }
}

/* Float instructions read one to three registers; a field that is part of the opcode is not one. */
static void add_float_sources(struct timing_slot *slot, const struct instruction *i, uint16_t op) {
    switch (op) {
    case OP_fcvt_s_w:
    case OP_fcvt_s_wu:
    case OP_fmv_w_x: add_source(slot, i->rs1); return;
    case OP_fmadd_s:
    case OP_fmsub_s:
    case OP_fnmsub_s:
    case OP_fnmadd_s: add_source(slot, SCORE_F + i->rs3); break;
    default: break;
    }
    add_source(slot, SCORE_F + i->rs1);
    if (op != OP_fsqrt_s && op != OP_fcvt_w_s && op != OP_fcvt_wu_s && op != OP_fmv_x_w && op != OP_fclass_s) {
        add_source(slot, SCORE_F + i->rs2);
    }
}

static void describe_scalar(struct timing_slot *slot, const struct instruction *i) {
    const uint16_t op = i->op < OP_SHORT ? i->op : i->op - OP_SHORT;
    const uint32_t latency = latency_of(op);
    slot->unit = UNIT_SCALAR;
    slot->opens = UNIT_PIE;
    switch (FORMATS[op]) {
    case S:
    case B:
    case R: add_source(slot, op == OP_fsw ? SCORE_F + i->rs2 : i->rs2); /* fall through */
    case I:
    case SHIFT:
    case FI: add_source(slot, i->rs1); break;
    case CSR:
        if (op == OP_csrrw || op == OP_csrrs || op == OP_csrrc) add_source(slot, i->rs1);
        break;
    case FR:
    case FX: add_float_sources(slot, i, op); break;
    default: break;
    }
    switch (FORMATS[op]) {
    case FI:
    case FR: add_result(slot, SCORE_F + i->rd, latency); break;
    case NONE:
    case S:
    case B: break;
    default: add_result(slot, i->rd, latency); break;
    }
    /* The calling convention's hints for return-address stacks: x1 and x5 hold return addresses. */
    if (op == OP_jal || op == OP_jalr) {
        if (i->rd == 1 || i->rd == 5) slot->links = LINK_CALL;
        else if (op == OP_jalr && (i->rs1 == 1 || i->rs1 == 5)) slot->links = LINK_RETURN;
    }
}

#define BIT(operand) (1u << PIE_OP_##operand)
#define IS(operand) (i->present & BIT(operand))

/* The vector registers that the computing part of a family writes, of those that the instruction names. */
static uint32_t written(const struct pie_instruction *i) {
    switch (i->family) {
    case PIE_F_VADD:
    case PIE_F_VSUB:
    case PIE_F_VSADDS:
    case PIE_F_VSSUBS:
    case PIE_F_VABS: return BIT(QV);
    case PIE_F_VMUL_WIDE:
    case PIE_F_VEXT: return BIT(QV) | BIT(QZ);
    case PIE_F_VRELU:
    case PIE_F_MOVI_Q: return BIT(QY);
    case PIE_F_VZIP:
    case PIE_F_VUNZIP: return BIT(QX) | BIT(QY);
    case PIE_F_VZIPT:
    case PIE_F_VUNZIPT: return BIT(QX) | BIT(QY) | BIT(QW);
    case PIE_F_SLCI:
    case PIE_F_SRCI:
    case PIE_F_SLCXXP:
    case PIE_F_SRCXXP: return BIT(QW) | BIT(QY);
    case PIE_F_SRC_Q_QUP: return BIT(QW) | BIT(QZ);
    case PIE_F_SRC_Q: return IS(QZ) ? BIT(QZ) : BIT(QW);
    case PIE_F_SRCMB:
    case PIE_F_SRCMB_Q:
    case PIE_F_VSL:
    case PIE_F_VSR:
    case PIE_F_VSLD:
    case PIE_F_VSRD: return BIT(QU);
    default: return BIT(QZ);
    }
}

/* Registers that are both written and read. */
static bool keeps_operand(uint8_t family) {
    switch (family) {
    case PIE_F_VRELU:
    case PIE_F_MOVI_Q:
    case PIE_F_VZIP:
    case PIE_F_VUNZIP:
    case PIE_F_VZIPT:
    case PIE_F_VUNZIPT:
    case PIE_F_SLCI:
    case PIE_F_SRCI:
    case PIE_F_SLCXXP:
    case PIE_F_SRCXXP:
    case PIE_F_SRC_Q_QUP:
    case PIE_F_CMUL: return true;
    default: return false;
    }
}

static void add_vector(struct timing_slot *slot, const struct pie_instruction *i, uint32_t operand, uint8_t number,
                       uint32_t computed, uint32_t loaded) {
    const uint32_t bit = 1u << operand;
    if (!(i->present & bit)) return;
    const bool readout = i->family == PIE_F_SRCMB || i->family == PIE_F_SRCMB_Q;
    if (loaded & bit) {
        add_result(slot, SCORE_Q + number, TIME_PIE_LOAD);
    } else if (computed & bit) {
        add_result(slot, SCORE_Q + number, readout ? TIME_QACC_READ_OUT : TIME_PIE_ALU);
    }
    const bool kept = computed & bit && (keeps_operand(i->family) || (i->family == PIE_F_SRC_Q && !IS(QZ)));
    if (!((loaded | computed) & bit) || kept) add_source(slot, SCORE_Q + number);
}

/* QACC, XACC and the shift registers need no score: only SIMD instructions use them, one per cycle, and what
 * writes them is ready in the next cycle. */
static void describe_pie(struct timing_slot *slot, const struct pie_instruction *i) {
    const bool fused = i->compute != NULL && i->access != NULL;
    const bool scalar = i->needs == 0;
    const uint32_t computed = i->compute != NULL ? written(i) : 0;
    const uint32_t loaded = i->access != NULL && !i->store ? BIT(QU) | (i->compute == NULL ? BIT(QZ) : 0) : 0;
    slot->issue = fused ? TIME_FUSED_ISSUE : 1;
    slot->unit = scalar ? UNIT_SCALAR : UNIT_PIE;
    slot->opens = fused ? UNIT_NONE : scalar ? UNIT_PIE : UNIT_SCALAR;
    add_vector(slot, i, PIE_OP_QU, i->qu, computed, loaded);
    add_vector(slot, i, PIE_OP_QV, i->qv, computed, loaded);
    add_vector(slot, i, PIE_OP_QW, i->qw, computed, loaded);
    add_vector(slot, i, PIE_OP_QX, i->qx, computed, loaded);
    add_vector(slot, i, PIE_OP_QY, i->qy, computed, loaded);
    add_vector(slot, i, PIE_OP_QZ, i->qz, computed, loaded);
    if (IS(RS1) || IS(XS1)) add_source(slot, i->rs1);
    if (IS(RS2) || IS(XS2) || IS(XS0)) add_source(slot, i->rs2);
    if (IS(RD)) add_result(slot, i->rd, TIME_PIE_TO_SCALAR);
    if (IS(XD)) add_result(slot, i->rd, 1);
    if (i->family == PIE_F_SAT) add_source(slot, i->select);
    const bool steps = (i->access != NULL && !i->indexed) || i->family == PIE_F_SLCXXP || i->family == PIE_F_SRCXXP;
    if (steps) add_result(slot, i->rs1, TIME_PIE_ALU);
}

static void describe_loop(struct timing_slot *slot, const struct pie_instruction *i) {
    const bool whole = i->family == PIE_F_LP_SETUP || i->family == PIE_F_LP_SETUPI;
    slot->unit = UNIT_SCALAR;
    slot->opens = whole ? UNIT_NONE : UNIT_PIE;
    slot->setup = whole ? TIME_LOOP_SETUP : 0;
    if (IS(XS1)) add_source(slot, i->rs1);
}

static uint16_t marker_at(const struct timing *t, uint32_t pc) {
    for (uint32_t k = 0; k < t->marker_count; k++) {
        if (t->markers[k] == pc) return (uint16_t)(k + 1);
    }
    return 0;
}

bool p4c_timing_describe(struct p4c_sim *sim, uint32_t pc, const struct instruction *instruction) {
    struct code_page *code = sim->pages[pc >> PAGE_BITS].code;
    if (code->timing == NULL) code->timing = calloc(PAGE_SLOTS, sizeof *code->timing);
    if (code->timing == NULL) return false;
    const uint32_t number = (pc & PAGE_MASK) / 2;
    struct timing_slot *slot = &code->timing[number];
    *slot = (struct timing_slot){.issue = 1, .marker = marker_at(sim->timing, pc)};
    memset(slot->results, SCORE_SINK, sizeof slot->results);
    slot->crosses = instruction->length == 4 && pc % TIME_L1_LINE == TIME_L1_LINE - 2;
    switch (instruction->op) {
    case OP_illegal:
    case OP_left_out: break;
    case OP_pie_compute:
    case OP_pie_memory: describe_pie(slot, &code->pie[number]); break;
    case OP_loop: describe_loop(slot, &code->pie[number]); break;
    default: describe_scalar(slot, instruction); break;
    }
    return true;
}
