/* decode.c: from memory to decoded instructions, and forgetting them when the memory changes. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

enum format { NONE, R, I, SHIFT, S, B, J, U, PC, CSR, FI, FR, FX };

struct row {
    uint32_t match;
    uint32_t mask;
    uint16_t op;
    uint8_t format;
};

#define ROW(name, match, mask, format) {match, mask, OP_##name, format},
static const struct row ROWS[] = {FOR_EACH_INSTRUCTION(ROW)};
#undef ROW

static int32_t immediate_s(uint32_t word) {
    return ((int32_t)(word & 0xfe000000) >> 20) | (int32_t)(word >> 7 & 0x1f);
}

static int32_t immediate_b(uint32_t word) {
    return ((int32_t)(word & 0x80000000) >> 19) | (int32_t)((word & 0x80) << 4) |
           (int32_t)(word >> 20 & 0x7e0) | (int32_t)(word >> 7 & 0x1e);
}

static int32_t immediate_j(uint32_t word) {
    return ((int32_t)(word & 0x80000000) >> 11) | (int32_t)(word & 0xff000) |
           (int32_t)(word >> 9 & 0x800) | (int32_t)(word >> 20 & 0x7fe);
}

static int32_t immediate(enum format format, uint32_t word, uint32_t pc) {
    switch (format) {
    case I:
    case FI: return (int32_t)word >> 20;
    case SHIFT: return (int32_t)(word >> 20 & 0x1f);
    case CSR: return (int32_t)(word >> 20);
    case S: return immediate_s(word);
    case B: return (int32_t)(pc + (uint32_t)immediate_b(word));
    case J: return (int32_t)(pc + (uint32_t)immediate_j(word));
    case U: return (int32_t)(word & 0xfffff000);
    case PC: return (int32_t)(pc + (word & 0xfffff000));
    default: return 0;
    }
}

static const struct row *find_row(uint32_t word) {
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        if ((word & ROWS[i].mask) == ROWS[i].match) return &ROWS[i];
    }
    return NULL;
}

/* The op number of a SIMD or hardware-loop instruction; its decoded form goes beside the slots. */
static uint16_t decode_pie(struct p4c_sim *sim, uint32_t word, uint32_t pc) {
    struct code_page *code = sim->pages[pc >> PAGE_BITS].code;
    struct pie_instruction decoded;
    const uint16_t op = p4c_pie_decode(sim, word, &decoded);
    if (op == OP_illegal || op == OP_left_out) return op;
    if (code->pie == NULL) code->pie = calloc(PAGE_SLOTS, sizeof *code->pie);
    if (code->pie == NULL) return OP_illegal;
    code->pie[(pc & PAGE_MASK) / 2] = decoded;
    return op;
}

/* Fills everything but length and word. */
static void decode_word(struct p4c_sim *sim, uint32_t word, uint32_t pc, struct instruction *slot) {
    const struct row *row = find_row(word);
    if (row == NULL) {
        slot->op = decode_pie(sim, word, pc);
        return;
    }
    bool result_in_f = row->format == FI || row->format == FR;
    uint8_t rd = word >> 7 & 0x1f;
    slot->op = row->op;
    slot->rd = rd == 0 && !result_in_f ? 32 : rd;
    slot->rs1 = word >> 15 & 0x1f;
    slot->rs2 = word >> 20 & 0x1f;
    slot->rs3 = (uint8_t)(word >> 27);
    slot->rm = word >> 12 & 7;
    slot->imm = immediate(row->format, word, pc);
}

/* Decode the instruction at pc, which lies on a code page, into its slot; false on a fetch fault. */
bool p4c_decode(struct p4c_sim *sim, uint32_t pc, struct instruction *slot) {
    uint16_t low = 0;
    uint16_t high = 0;
    memcpy(&low, sim->pages[pc >> PAGE_BITS].read + (pc & PAGE_MASK), sizeof low);
    slot->length = 2;
    slot->word = low;
    if ((low & 3) != 3) {
        decode_word(sim, p4c_expand_compressed(low), pc, slot);
        if (slot->op != OP_illegal) slot->op += OP_SHORT;
    } else {
        /* All low bits 11 are 4 bytes long here: the SIMD extension uses what the manual sets aside for longer
         * instructions. The second half may lie on another page, whose stores must then be watched. */
        uint32_t second = pc + 2;
        if (p4c_code_page(sim, second) == NULL) return p4c_record_fault(sim, P4C_SIM_FAULT_FETCH, second, 2);
        memcpy(&high, sim->pages[second >> PAGE_BITS].read + (second & PAGE_MASK), sizeof high);
        slot->length = 4;
        slot->word = (uint32_t)high << 16 | low;
        decode_word(sim, slot->word, pc, slot);
    }
    if (sim->timing != NULL && !p4c_timing_describe(sim, pc, slot)) slot->op = OP_illegal;
    return true;
}

/* The code page that holds pc, made if need be; NULL where pc is not executable. */
struct code_page *p4c_code_page(struct p4c_sim *sim, uint32_t pc) {
    struct page *page = &sim->pages[pc >> PAGE_BITS];
    if (page->code != NULL) return page->code;
    bool executable = false;
    for (uint32_t i = 0; i < sim->region_count; i++) {
        const struct region *region = &sim->regions[i];
        if (pc - region->base < region->size) executable = region->permissions & CAN_EXECUTE;
    }
    if (!executable) return NULL;
    struct code_page *code = calloc(1, sizeof *code);
    if (code == NULL) return NULL;
    code->pc = pc & ~PAGE_MASK;
    code->slots[PAGE_SLOTS].op = OP_page_end;
    code->slots[PAGE_SLOTS + 1].op = OP_page_end;
    page->code = code;
    page->write = NULL;
    return code;
}

/* Reset the slots of every instruction that overlaps [address, address + size). Code pages are never
 * freed before the simulator is: the loop may be executing the very page. */
void p4c_forget_code(struct p4c_sim *sim, uint32_t address, uint32_t size) {
    /* A 4-byte instruction may begin 2 bytes earlier. 64-bit: the range may end at the top of memory. */
    uint64_t end = (uint64_t)address + size;
    uint64_t half = address < 2 ? 0 : (address - 2) & ~1u;
    while (half < end) {
        struct code_page *code = sim->pages[half >> PAGE_BITS].code;
        if (code == NULL) {
            half = (half | PAGE_MASK) + 1;
            continue;
        }
        code->slots[(half & PAGE_MASK) >> 1].op = OP_decode;
        half += 2;
    }
}
