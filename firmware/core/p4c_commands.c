/* p4c_commands.c: the commands, in the order of their numbers. */
#include "p4c_commands.h"

#include <stddef.h>

/* ESP-IDF's names for what memory can do, as far as they choose a kind here. */
enum { CAP_SPIRAM = 1 << 10, CAP_INTERNAL = 1 << 11, CAP_TCM = 1 << 16 };

enum { RESET_RELEASE = 0, RESET_FORGET = 1, RESET_RESTART = 2 };
enum { RUN_OUTPUT = 1, RUN_HEAD = 16 };

static int put_words(struct p4c_core *core, const uint32_t *words, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) p4c_put32(core->answer + 4 * i, words[i]);
    return (int)(4 * count);
}

static int put_word(struct p4c_core *core, uint32_t word)
{
    return put_words(core, &word, 1);
}

static int ping(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    p4c_copy(core->answer, payload, size);
    return (int)size;
}

static int get_info(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)payload, (void)size;
    uint32_t version = P4C_BASE_MAJOR | P4C_BASE_MINOR << 8 | P4C_EXTENSION_VERSION << 16;
    uint32_t words[4] = {version, core->max_payload, core->board->cache_line, P4C_MAX_ALLOCATIONS};
    put_words(core, words, 4);
    uint8_t *name = core->answer + 16;
    p4c_zero(name, 16);
    for (int i = 0; i < 15 && core->board->name[i] != 0; i++) name[i] = (uint8_t)core->board->name[i];
    return 32;
}

static enum p4c_kind kind_of(uint32_t caps)
{
    if (caps & CAP_TCM) return P4C_TCM;
    if (caps & CAP_SPIRAM) return P4C_PSRAM;
    return caps & CAP_INTERNAL ? P4C_L2MEM : P4C_ANY;
}

static int alloc(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)size;
    uint32_t bytes = p4c_get32(payload), caps = p4c_get32(payload + 4), alignment = p4c_get32(payload + 8);
    struct p4c_block *block = NULL;
    if (bytes != 0 && alignment != 0 && (alignment & (alignment - 1)) == 0) {
        /* The base protocol has no room for the reason. */
        struct p4c_details ignored = {0};
        block = p4c_images_alloc(&core->images, kind_of(caps), bytes, alignment, 0, &ignored);
    }
    uint32_t words[2] = {block != NULL ? block->address : 0, block != NULL ? 0 : -P4C_ERR_ALLOC};
    return put_words(core, words, 2);
}

static int free_block(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)size;
    struct p4c_block *block = p4c_memory_find(&core->memory, p4c_get32(payload), 1);
    if (block == NULL || block->address != p4c_get32(payload) || block->owner != 0) return P4C_ERR_ADDRESS;
    p4c_memory_free(&core->memory, block);
    return put_word(core, 0);
}

static uint8_t *memory_at(struct p4c_core *core, uint32_t address, uint32_t size)
{
    return core->port->memory(core->port->context, address, size);
}

static void sync_lines(struct p4c_core *core, uint32_t address, uint32_t size)
{
    /* Blocks have the room of whole lines, so those around a range in a block are its own. */
    uint32_t mask = core->board->cache_line - 1;
    uint32_t first = address & ~mask;
    core->port->sync(core->port->context, first, ((address - first) + size + mask) & ~mask);
}

static int write(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    uint32_t address = p4c_get32(payload), bytes = size - 8;
    const struct p4c_block *block = p4c_memory_find(&core->memory, address, bytes);
    if (block == NULL || !block->writable) return P4C_ERR_ADDRESS;
    p4c_copy(memory_at(core, address, bytes), payload + 8, bytes);
    sync_lines(core, address, bytes);
    uint32_t words[2] = {bytes, 0};
    return put_words(core, words, 2);
}

static int read(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)size;
    uint32_t address = p4c_get32(payload), bytes = p4c_get32(payload + 4);
    if (bytes > core->max_payload) return P4C_ERR_COMMAND;
    if (p4c_memory_find(&core->memory, address, bytes) == NULL) return P4C_ERR_ADDRESS;
    p4c_copy(core->answer, memory_at(core, address, bytes), bytes);
    return (int)bytes;
}

/* Run code, with the line still listened to. `code` is the base of the image's code, for the fault log. */
static int execute(struct p4c_core *core, uint32_t address, uint32_t limit_ms, uint32_t code,
                   struct p4c_call_result *result)
{
    *result = (struct p4c_call_result){0};
    p4c_core_begin_running(core, code);
    if (limit_ms == 0) limit_ms = core->board->limit_ms;
    int error = core->port->call(core->port->context, address, limit_ms, result);
    if (error == P4C_ERR_FAULT) {
        const struct p4c_fault *fault = &result->fault;
        p4c_core_note_fault(core, fault);
        uint32_t words[P4C_DETAIL_WORDS] = {core->log->faults, fault->cause, fault->pc, fault->value,
                                            fault->ra, fault->sp, code, 0};
        for (int i = 0; i < P4C_DETAIL_WORDS; i++) p4c_detail(&core->details, words[i]);
    }
    core->running = 0;
    return error;
}

/* A function of the host's: in a block that it allocated, where an instruction can stand. */
static int call_function(struct p4c_core *core, uint32_t address, uint32_t limit_ms, struct p4c_call_result *result)
{
    const struct p4c_block *block = p4c_memory_find(&core->memory, address, 2);
    if (block == NULL || block->owner != 0 || address % 2 != 0) return P4C_ERR_ADDRESS;
    return execute(core, address, limit_ms, 0, result);
}

static int exec(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)size;
    struct p4c_call_result result;
    int error = call_function(core, p4c_get32(payload), 0, &result);
    return error != 0 ? error : put_word(core, result.value);
}

static int committed(struct p4c_core *core, uint32_t handle, struct p4c_image **image)
{
    *image = p4c_image_find(&core->images, handle);
    if (*image == NULL) return P4C_ERR_HANDLE;
    return (*image)->state == P4C_COMMITTED ? 0 : P4C_ERR_STATE;
}

static int run(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    struct p4c_image *image;
    int error = committed(core, p4c_get32(payload), &image);
    if (error != 0) return error;
    uint32_t steps = p4c_get32(payload + 4), limit_ms = p4c_get32(payload + 8), options = p4c_get32(payload + 12);
    uint32_t input = size - RUN_HEAD, output = options & RUN_OUTPUT ? p4c_image_output_bytes(image) : 0;
    if (options > RUN_OUTPUT || input > p4c_image_input_bytes(image)) return P4C_ERR_ARGUMENT;
    if (output > core->max_payload - 12) return P4C_ERR_ARGUMENT;
    p4c_copy(memory_at(core, p4c_image_input(image), input), payload + RUN_HEAD, input);
    uint8_t *control = p4c_image_control(&core->images, image);
    p4c_put32(control + 4 * P4C_CONTROL_STEPS, steps);
    p4c_put32(control + 4 * P4C_CONTROL_STATUS, 0xffffffff);
    sync_lines(core, p4c_image_input(image), input);
    sync_lines(core, image->addresses[0], P4C_CONTROL_SIZE);
    struct p4c_call_result result;
    error = execute(core, p4c_image_entry(image), limit_ms, image->addresses[0], &result);
    if (error != 0) return error;
    p4c_copy(core->answer, control + 4 * P4C_CONTROL_STATUS, 12);
    p4c_copy(core->answer + 12, memory_at(core, p4c_image_output(image), output), output);
    return (int)(12 + output);
}

static int call(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)size;
    struct p4c_call_result result;
    int error = call_function(core, p4c_get32(payload), p4c_get32(payload + 4), &result);
    if (error != 0) return error;
    uint32_t words[3] = {result.value, (uint32_t)result.cycles, (uint32_t)(result.cycles >> 32)};
    return put_words(core, words, 3);
}

/* Here only while nothing runs; else see p4c_core.c. */
static int cancel(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)payload, (void)size;
    return put_word(core, 0);
}

static void heap_of(struct p4c_core *core, uint32_t kind, struct p4c_heap *heap, uint32_t *cached)
{
    core->port->heap(core->port->context, (enum p4c_kind)kind, heap);
    *cached = p4c_images_cached(&core->images, kind);
    heap->free += *cached;
}

static int heap_info(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)payload, (void)size;
    struct p4c_heap psram, internal;
    uint32_t cached;
    heap_of(core, P4C_PSRAM, &psram, &cached);
    heap_of(core, P4C_L2MEM, &internal, &cached);
    uint32_t words[4] = {psram.free, psram.total, internal.free, internal.total};
    return put_words(core, words, 4);
}

static int board(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)payload, (void)size;
    const struct p4c_board *b = core->board;
    uint32_t words[9] = {
        b->chip_major | (uint32_t)b->chip_minor << 8 | (uint32_t)P4C_IMAGE_VERSION << 16,
        P4C_MAX_IMAGES, b->block_bytes, b->window, b->timeout_ms, b->stack_bytes, b->limit_ms, b->clock_hz,
        core->log->restarts,
    };
    return put_words(core, words, 9);
}

static int heap(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)payload, (void)size;
    uint32_t words[5 * (P4C_KINDS - 1)];
    for (uint32_t kind = 1; kind < P4C_KINDS; kind++) {
        struct p4c_heap heap;
        uint32_t *row = words + 5 * (kind - 1);
        row[0] = kind;
        heap_of(core, kind, &heap, &row[4]);
        row[1] = heap.total;
        row[2] = heap.free;
        row[3] = heap.largest;
    }
    return put_words(core, words, 5 * (P4C_KINDS - 1));
}

static int fault(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)payload, (void)size;
    const struct p4c_fault_log *log = core->log;
    uint32_t words[8] = {log->faults, log->last.cause, log->last.pc, log->last.value,
                         log->last.ra, log->last.sp, log->code, log->in_firmware};
    return put_words(core, words, 8);
}

static int reset(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)size;
    uint32_t mode = p4c_get32(payload);
    if (mode > RESET_RESTART) return P4C_ERR_ARGUMENT;
    p4c_images_release(&core->images, mode == RESET_RELEASE);
    p4c_memory_free_owner(&core->memory, 0);
    core->restart = mode == RESET_RESTART;
    return put_word(core, 0);
}

static int load(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    struct p4c_image *image;
    int error = p4c_image_load(&core->images, payload, size, &image, &core->details);
    if (error != 0) return error;
    uint32_t words[2] = {image->handle, image->next};
    return put_words(core, words, 2);
}

static int block(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    struct p4c_image *image = p4c_image_find(&core->images, p4c_get32(payload));
    if (image == NULL) return P4C_ERR_HANDLE;
    int error = p4c_image_block(&core->images, image, p4c_get32(payload + 4), payload + 8, size - 8);
    return error != 0 ? error : put_word(core, image->next);
}

static int commit(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)size;
    struct p4c_image *image = p4c_image_find(&core->images, p4c_get32(payload));
    if (image == NULL) return P4C_ERR_HANDLE;
    int error = p4c_image_commit(&core->images, image, &core->details);
    if (error != 0) return error;
    uint32_t words[2] = {p4c_image_input(image), p4c_image_output(image)};
    int bytes = put_words(core, words, 2);
    for (uint32_t i = 0; i < p4c_image_segments(image); i++, bytes += 4) {
        p4c_put32(core->answer + bytes, image->addresses[i]);
    }
    return bytes;
}

static int unload(struct p4c_core *core, const uint8_t *payload, uint32_t size)
{
    (void)size;
    struct p4c_image *image = p4c_image_find(&core->images, p4c_get32(payload));
    if (image == NULL) return P4C_ERR_HANDLE;
    if (p4c_get32(payload + 4) > 1) return P4C_ERR_ARGUMENT;
    p4c_image_unload(&core->images, image, p4c_get32(payload + 4) == 1);
    return put_word(core, 0);
}

#define ANY_LENGTH 0xffffffffu

/* Requests shorter than `least` or longer than `most` get `error`. */
static const struct row {
    uint8_t command;
    uint32_t least;
    uint32_t most;
    int error;
    int (*handler)(struct p4c_core *core, const uint8_t *payload, uint32_t size);
} COMMANDS[] = {
    {P4C_PING, 0, ANY_LENGTH, P4C_ERR_COMMAND, ping},
    {P4C_GET_INFO, 0, ANY_LENGTH, P4C_ERR_COMMAND, get_info},
    {P4C_ALLOC, 12, ANY_LENGTH, P4C_ERR_COMMAND, alloc},
    {P4C_FREE, 4, ANY_LENGTH, P4C_ERR_COMMAND, free_block},
    {P4C_WRITE, 8, ANY_LENGTH, P4C_ERR_COMMAND, write},
    {P4C_READ, 12, ANY_LENGTH, P4C_ERR_COMMAND, read},
    {P4C_EXEC, 4, ANY_LENGTH, P4C_ERR_COMMAND, exec},
    {P4C_RUN, RUN_HEAD, ANY_LENGTH, P4C_ERR_LENGTH, run},
    {P4C_CALL, 8, 8, P4C_ERR_LENGTH, call},
    {P4C_CANCEL, 0, 0, P4C_ERR_LENGTH, cancel},
    {P4C_HEAP_INFO, 0, ANY_LENGTH, P4C_ERR_COMMAND, heap_info},
    {P4C_BOARD, 0, 0, P4C_ERR_LENGTH, board},
    {P4C_HEAP, 0, 0, P4C_ERR_LENGTH, heap},
    {P4C_FAULT, 0, 0, P4C_ERR_LENGTH, fault},
    {P4C_RESET, 4, 4, P4C_ERR_LENGTH, reset},
    {P4C_LOAD, 4, P4C_MAX_HEADER, P4C_ERR_LENGTH, load},
    {P4C_BLOCK, 8, ANY_LENGTH, P4C_ERR_LENGTH, block},
    {P4C_COMMIT, 4, 4, P4C_ERR_LENGTH, commit},
    {P4C_UNLOAD, 8, 8, P4C_ERR_LENGTH, unload},
};

int p4c_command(struct p4c_core *core, uint8_t command, const uint8_t *payload, uint32_t size)
{
    for (uint32_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
        const struct row *row = &COMMANDS[i];
        if (row->command != command) continue;
        return size < row->least || size > row->most ? row->error : row->handler(core, payload, size);
    }
    return P4C_ERR_COMMAND;
}
