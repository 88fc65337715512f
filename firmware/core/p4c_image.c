/* p4c_image.c: headers, segments, the cache. */
#include "p4c_image.h"

#include <stddef.h>

/* Offsets in the header and in a segment's entry. */
enum { VERSION = 4, SIZE = 6, REVISION = 8, COUNT = 9, HASH = 12, ENTRY = 44, INPUT = 48, INPUT_BYTES = 52,
       OUTPUT = 56, OUTPUT_BYTES = 60, STACK = 64 };
enum { KIND = 0, REGION = 1, ALIGNMENT = 4, MEMORY = 8, OFFSET = 12, LENGTH = 16, CRC = 20 };

static const uint8_t IMAGE_MAGIC[4] = {'P', '4', 'C', 'I'};
static const uint8_t CONTROL_MAGIC[4] = {'P', '4', 'B', 'C'};

#define WHOLE_HEADER 0xffffffffu

void p4c_images_begin(struct p4c_images *images, struct p4c_memory *memory, const struct p4c_board *board)
{
    p4c_zero((uint8_t *)images, sizeof *images);
    images->board = board;
    images->memory = memory;
}

/* Files pad everything to 16 bytes. 64 bits wide, so that no sum of two fields wraps. */
static uint64_t padded(uint64_t size)
{
    return (size + 15) & ~(uint64_t)15;
}

/* The segments, one by one: `*end` is where the file's bytes end. */
static int check_segments(const uint8_t *header, uint32_t count, uint64_t *end)
{
    uint64_t position = padded(P4C_HEADER_SIZE + P4C_SEGMENT_SIZE * count + 4);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *segment = p4c_image_segment(header, i);
        uint8_t expected = i == 0 ? P4C_CODE : i == count - 1 ? P4C_ARENA : P4C_WEIGHTS;
        uint32_t alignment = p4c_get32(segment + ALIGNMENT), memory = p4c_get32(segment + MEMORY);
        uint32_t length = p4c_get32(segment + LENGTH);
        if (segment[KIND] != expected || segment[REGION] >= P4C_KINDS) return P4C_ERR_LAYOUT;
        /* Of two weights segments the first is in L2MEM and the second in PSRAM. */
        if (count == P4C_MAX_SEGMENTS && expected == P4C_WEIGHTS && segment[REGION] != (i == 1 ? P4C_L2MEM : P4C_PSRAM))
            return P4C_ERR_LAYOUT;
        if (alignment == 0 || (alignment & (alignment - 1)) != 0 || memory % 128 != 0) return P4C_ERR_LAYOUT;
        if (length > memory || p4c_get32(segment + OFFSET) != position) return P4C_ERR_LAYOUT;
        if (expected == P4C_ARENA && length != 0) return P4C_ERR_LAYOUT;
        position += padded(length);
    }
    *end = position;
    return position > UINT32_MAX ? P4C_ERR_LAYOUT : 0;
}

/* Whether [offset, offset + size), by the header's fields, lies below `limit`. */
static int inside(const uint8_t *header, uint32_t offset, uint32_t size, uint32_t limit)
{
    return (uint64_t)p4c_get32(header + offset) + p4c_get32(header + size) <= limit;
}

int p4c_image_check(const uint8_t *header, uint32_t size, const struct p4c_board *board, struct p4c_details *details)
{
    if (size < P4C_HEADER_SIZE || !p4c_equal(header, IMAGE_MAGIC, 4)) return P4C_ERR_MAGIC;
    if (p4c_get16(header + VERSION) != P4C_IMAGE_VERSION) {
        p4c_detail(details, p4c_get16(header + VERSION));
        p4c_detail(details, P4C_IMAGE_VERSION);
        return P4C_ERR_VERSION;
    }
    uint32_t count = header[COUNT];
    /* Code, one or two of weights, arena. */
    if (count < 3 || count > P4C_MAX_SEGMENTS) return P4C_ERR_LAYOUT;
    uint32_t expected = P4C_HEADER_SIZE + P4C_SEGMENT_SIZE * count + 4;
    if (size != expected || p4c_get16(header + SIZE) != expected) return P4C_ERR_LAYOUT;
    if (p4c_get32(header + size - 4) != p4c_crc32(0, header, size - 4)) {
        p4c_detail(details, WHOLE_HEADER);
        return P4C_ERR_CRC;
    }
    if (header[REVISION] != board->chip_major) {
        p4c_detail(details, header[REVISION]);
        p4c_detail(details, board->chip_major);
        return P4C_ERR_REVISION;
    }
    uint64_t end;
    int error = check_segments(header, count, &end);
    if (error != 0) return error;
    uint32_t code = p4c_get32(p4c_image_segment(header, 0) + LENGTH), entry = p4c_get32(header + ENTRY);
    uint32_t arena = p4c_get32(p4c_image_segment(header, count - 1) + MEMORY);
    if (entry % 2 != 0 || entry < P4C_CONTROL_SIZE || entry >= code) return P4C_ERR_LAYOUT;
    if (!inside(header, INPUT, INPUT_BYTES, arena) || !inside(header, OUTPUT, OUTPUT_BYTES, arena)) {
        return P4C_ERR_LAYOUT;
    }
    if (p4c_get32(header + STACK) > board->stack_bytes) {
        p4c_detail(details, p4c_get32(header + STACK));
        p4c_detail(details, board->stack_bytes);
        return P4C_ERR_STACK;
    }
    return 0;
}

static struct p4c_image *oldest_cached(struct p4c_images *images)
{
    struct p4c_image *oldest = NULL;
    for (uint32_t i = 0; i < P4C_MAX_IMAGES; i++) {
        struct p4c_image *image = &images->list[i];
        if (image->state == P4C_CACHED && (oldest == NULL || image->age < oldest->age)) oldest = image;
    }
    return oldest;
}

static void drop(struct p4c_images *images, struct p4c_image *image)
{
    p4c_memory_free_owner(images->memory, image->handle);
    image->state = P4C_EMPTY;
}

struct p4c_block *p4c_images_alloc(struct p4c_images *images, enum p4c_kind kind, uint32_t size, uint32_t alignment,
                                   uint32_t owner, struct p4c_details *details)
{
    struct p4c_shortage shortage;
    for (;;) {
        struct p4c_block *block = p4c_memory_alloc(images->memory, kind, size, alignment, owner, &shortage);
        if (block != NULL) return block;
        struct p4c_image *victim = oldest_cached(images);
        if (victim == NULL) break;
        drop(images, victim);
    }
    p4c_detail(details, shortage.kind);
    p4c_detail(details, shortage.needed);
    p4c_detail(details, shortage.heap.free);
    p4c_detail(details, shortage.heap.largest);
    return NULL;
}

static struct p4c_image *cached_copy(struct p4c_images *images, const uint8_t *header, uint32_t size)
{
    for (uint32_t i = 0; i < P4C_MAX_IMAGES; i++) {
        struct p4c_image *image = &images->list[i];
        if (image->state == P4C_CACHED && p4c_equal(image->header, header, size)) return image;
    }
    return NULL;
}

/* A place for an image, a cached one's if need be, or NULL. */
static struct p4c_image *empty_place(struct p4c_images *images)
{
    for (uint32_t i = 0; i < P4C_MAX_IMAGES; i++) {
        if (images->list[i].state == P4C_EMPTY) return &images->list[i];
    }
    struct p4c_image *oldest = oldest_cached(images);
    if (oldest != NULL) drop(images, oldest);
    return oldest;
}

static int allocate_segments(struct p4c_images *images, struct p4c_image *image, struct p4c_details *details)
{
    for (uint32_t i = 0; i < p4c_image_segments(image); i++) {
        const uint8_t *segment = p4c_image_segment(image->header, i);
        uint32_t size = p4c_get32(segment + MEMORY), alignment = p4c_get32(segment + ALIGNMENT);
        struct p4c_block *block = p4c_images_alloc(images, (enum p4c_kind)segment[REGION], size, alignment,
                                                   image->handle, details);
        if (block == NULL) {
            p4c_memory_free_owner(images->memory, image->handle);
            return P4C_ERR_ALLOC;
        }
        block->writable = segment[KIND] == P4C_ARENA;
        image->addresses[i] = block->address;
    }
    return 0;
}

int p4c_image_load(struct p4c_images *images, const uint8_t *header, uint32_t size, struct p4c_image **image,
                   struct p4c_details *details)
{
    int error = p4c_image_check(header, size, images->board, details);
    if (error != 0) return error;
    *image = cached_copy(images, header, size);
    if (*image != NULL) {
        p4c_memory_hand_over(images->memory, (*image)->handle, ++images->counter);
        (*image)->handle = images->counter;
        (*image)->state = P4C_LOADING;
        return 0;
    }
    *image = empty_place(images);
    if (*image == NULL) {
        p4c_detail(details, P4C_MAX_IMAGES);
        return P4C_ERR_HANDLES;
    }
    uint64_t end = 0;
    (void)check_segments(header, header[COUNT], &end);
    **image = (struct p4c_image){
        .handle = ++images->counter, .next = (uint32_t)padded(size), .file_size = (uint32_t)end};
    p4c_copy((*image)->header, header, size);
    error = allocate_segments(images, *image, details);
    if (error == 0) (*image)->state = P4C_LOADING;
    return error;
}

static uint8_t *segment_memory(const struct p4c_images *images, const struct p4c_image *image, uint32_t number,
                               uint32_t size)
{
    const struct p4c_port *port = images->memory->port;
    return port->memory(port->context, image->addresses[number], size);
}

uint8_t *p4c_image_control(const struct p4c_images *images, const struct p4c_image *image)
{
    return segment_memory(images, image, 0, P4C_CONTROL_SIZE);
}

/* The part of [offset, offset + size) of the file that belongs to a segment, copied there. */
static void fill_segment(struct p4c_images *images, struct p4c_image *image, uint32_t number, uint32_t offset,
                         const uint8_t *data, uint32_t size)
{
    const uint8_t *segment = p4c_image_segment(image->header, number);
    uint32_t start = p4c_get32(segment + OFFSET), length = p4c_get32(segment + LENGTH);
    uint32_t first = offset > start ? offset : start;
    uint32_t last = offset + size < start + length ? offset + size : start + length;
    if (first >= last) return;
    uint8_t *memory = segment_memory(images, image, number, length);
    p4c_copy(memory + (first - start), data + (first - offset), last - first);
}

int p4c_image_block(struct p4c_images *images, struct p4c_image *image, uint32_t offset, const uint8_t *data,
                    uint32_t size)
{
    if (image->state != P4C_LOADING) return P4C_ERR_STATE;
    if (offset != image->next || size > image->file_size - offset) return 0;
    for (uint32_t i = 0; i < p4c_image_segments(image); i++) fill_segment(images, image, i, offset, data, size);
    image->next = offset + size;
    return 0;
}

/* Each segment's CRC and the hash over all, of what is in memory. */
static int check_content(struct p4c_images *images, struct p4c_image *image, struct p4c_details *details)
{
    struct p4c_sha256 sha;
    uint8_t digest[32];
    p4c_sha256_begin(&sha);
    for (uint32_t i = 0; i < p4c_image_segments(image); i++) {
        const uint8_t *segment = p4c_image_segment(image->header, i);
        uint32_t length = p4c_get32(segment + LENGTH), size = p4c_get32(segment + MEMORY);
        uint8_t *memory = segment_memory(images, image, i, size);
        if (p4c_crc32(0, memory, length) != p4c_get32(segment + CRC)) {
            p4c_detail(details, i);
            return P4C_ERR_CRC;
        }
        p4c_sha256_add(&sha, segment + KIND, 1);
        p4c_sha256_add(&sha, segment + LENGTH, 4);
        p4c_sha256_add(&sha, memory, length);
        p4c_zero(memory + length, size - length);
    }
    p4c_sha256_end(&sha, digest);
    return p4c_equal(digest, image->header + HASH, 32) ? 0 : P4C_ERR_HASH;
}

static void fill_control(uint8_t *control, const struct p4c_image *image)
{
    p4c_put32(control + 4 * P4C_CONTROL_INPUT, p4c_image_input(image));
    p4c_put32(control + 4 * P4C_CONTROL_OUTPUT, p4c_image_output(image));
    p4c_put32(control + 4 * P4C_CONTROL_ARENA, image->addresses[p4c_image_segments(image) - 1]);
    p4c_put32(control + 4 * P4C_CONTROL_WEIGHTS, image->addresses[1]);
    uint32_t second = p4c_image_segments(image) == P4C_MAX_SEGMENTS ? image->addresses[2] : 0;
    p4c_put32(control + 4 * P4C_CONTROL_WEIGHTS_PSRAM, second);
}

static int ready(struct p4c_images *images, struct p4c_image *image, struct p4c_details *details)
{
    uint8_t *control = p4c_image_control(images, image);
    /* A cached image has run: give it back the control block that its checksum is over. */
    if (image->age != 0) p4c_copy(control, image->control, P4C_CONTROL_SIZE);
    int error = check_content(images, image, details);
    if (error != 0) return error;
    if (!p4c_equal(control, CONTROL_MAGIC, 4) || p4c_get32(control + 4) != P4C_CONTROL_VERSION) {
        return P4C_ERR_CONTROL;
    }
    p4c_copy(image->control, control, P4C_CONTROL_SIZE);
    fill_control(control, image);
    const struct p4c_port *port = images->memory->port;
    for (uint32_t i = 0; i < p4c_image_segments(image); i++) {
        uint32_t size = p4c_get32(p4c_image_segment(image->header, i) + MEMORY);
        port->sync(port->context, image->addresses[i], size);
    }
    image->state = P4C_COMMITTED;
    return 0;
}

int p4c_image_commit(struct p4c_images *images, struct p4c_image *image, struct p4c_details *details)
{
    if (image->state != P4C_LOADING || image->next != image->file_size) return P4C_ERR_STATE;
    int error = ready(images, image, details);
    if (error != 0) drop(images, image);
    return error;
}

void p4c_image_unload(struct p4c_images *images, struct p4c_image *image, int keep)
{
    if (!keep || image->state != P4C_COMMITTED) {
        drop(images, image);
        return;
    }
    image->state = P4C_CACHED;
    image->age = ++images->counter;
}

void p4c_images_release(struct p4c_images *images, int keep)
{
    for (uint32_t i = 0; i < P4C_MAX_IMAGES; i++) {
        struct p4c_image *image = &images->list[i];
        if (image->state == P4C_EMPTY || (keep && image->state == P4C_CACHED)) continue;
        p4c_image_unload(images, image, keep);
    }
}

struct p4c_image *p4c_image_find(struct p4c_images *images, uint32_t handle)
{
    for (uint32_t i = 0; i < P4C_MAX_IMAGES; i++) {
        struct p4c_image *image = &images->list[i];
        if (image->handle == handle && (image->state == P4C_LOADING || image->state == P4C_COMMITTED)) return image;
    }
    return NULL;
}

uint32_t p4c_images_cached(const struct p4c_images *images, uint32_t kind)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < P4C_MAX_IMAGES; i++) {
        const struct p4c_image *image = &images->list[i];
        if (image->state == P4C_CACHED) bytes += p4c_memory_owned(images->memory, image->handle, kind);
    }
    return bytes;
}

static uint32_t in_arena(const struct p4c_image *image, uint32_t field)
{
    return image->addresses[p4c_image_segments(image) - 1] + p4c_get32(image->header + field);
}

uint32_t p4c_image_input(const struct p4c_image *image)
{
    return in_arena(image, INPUT);
}

uint32_t p4c_image_output(const struct p4c_image *image)
{
    return in_arena(image, OUTPUT);
}

uint32_t p4c_image_entry(const struct p4c_image *image)
{
    return image->addresses[0] + p4c_get32(image->header + ENTRY);
}

uint32_t p4c_image_input_bytes(const struct p4c_image *image)
{
    return p4c_get32(image->header + INPUT_BYTES);
}

uint32_t p4c_image_output_bytes(const struct p4c_image *image)
{
    return p4c_get32(image->header + OUTPUT_BYTES);
}
