/* p4c_image.h: images from the line into memory, checked before anything of them runs. firmware/IMAGE.md.
 *
 * An image's life: load (the header is checked and memory allocated), blocks (the file's bytes go straight to where
 * they belong), commit (every checksum over what now is in memory), run any number of times, unload. Unloading may
 * keep it: then it is in the cache, without a handle, until somebody loads the same header again, or
 * needs its memory. What is taken from the cache is committed, and so checked, like any other.
 *
 * The header's bytes are kept as they came and read in place; no field is believed before p4c_image_check has seen
 * it.
 */
#ifndef P4C_IMAGE_H
#define P4C_IMAGE_H

#include "p4c_bytes.h"
#include "p4c_errors.h"
#include "p4c_memory.h"

enum {
    P4C_IMAGE_VERSION = 2, /* the format that is known */
    P4C_CONTROL_VERSION = 2,
    P4C_MAX_IMAGES = 8, /* cached ones included */
    P4C_MAX_SEGMENTS = 4,
    P4C_HEADER_SIZE = 72, /* without segments and CRC */
    P4C_SEGMENT_SIZE = 24,
    P4C_MAX_HEADER = P4C_HEADER_SIZE + P4C_MAX_SEGMENTS * P4C_SEGMENT_SIZE + 4,
    P4C_CONTROL_SIZE = 64,
};

/* Kinds of segments. */
enum { P4C_CODE = 1, P4C_WEIGHTS = 2, P4C_ARENA = 3 };

/* Words of the control block. */
enum { P4C_CONTROL_INPUT = 2, P4C_CONTROL_OUTPUT = 3, P4C_CONTROL_ARENA = 4, P4C_CONTROL_WEIGHTS = 5,
       P4C_CONTROL_STEPS = 6, P4C_CONTROL_STATUS = 7, P4C_CONTROL_CYCLES = 8, P4C_CONTROL_WEIGHTS_PSRAM = 10 };

enum p4c_image_state { P4C_EMPTY, P4C_LOADING, P4C_COMMITTED, P4C_CACHED };

struct p4c_image {
    enum p4c_image_state state;
    uint32_t handle; /* owner of its blocks in the table of allocations; not 0, never used twice */
    uint32_t age;    /* of a cached one: the smallest is the oldest */
    uint32_t next;   /* offset in the file of the byte that is wanted */
    uint32_t file_size;
    uint32_t addresses[P4C_MAX_SEGMENTS];
    uint8_t header[P4C_MAX_HEADER];
    uint8_t control[P4C_CONTROL_SIZE]; /* as it is in the file */
};

struct p4c_images {
    const struct p4c_board *board;
    struct p4c_memory *memory;
    uint32_t counter; /* handles and ages */
    struct p4c_image list[P4C_MAX_IMAGES];
};

/* No images; board and table must outlive this. */
void p4c_images_begin(struct p4c_images *images, struct p4c_memory *memory, const struct p4c_board *board);

/* Everything that a header can be wrong in, for a board. Reads `size` bytes at most. 0, or one of MAGIC, VERSION,
 * REVISION, LAYOUT, CRC, STACK. */
int p4c_image_check(const uint8_t *header, uint32_t size, const struct p4c_board *board, struct p4c_details *details);

/* Check, and find in the cache or allocate. On success `*image` has a handle and wants bytes from `next` on; on an
 * error nothing has changed, but that cached images may have made room. */
int p4c_image_load(struct p4c_images *images, const uint8_t *header, uint32_t size, struct p4c_image **image,
                   struct p4c_details *details);

/* Bytes of the file at `offset`. Anything but the bytes that are wanted next is ignored, which is no error. */
int p4c_image_block(struct p4c_images *images, struct p4c_image *image, uint32_t offset, const uint8_t *data,
                    uint32_t size);

/* Check what is in memory and make it ready to run. On an error the image is gone. */
int p4c_image_commit(struct p4c_images *images, struct p4c_image *image, struct p4c_details *details);

/* Give up the handle: into the cache if `keep` and it is committed, else out of memory. */
void p4c_image_unload(struct p4c_images *images, struct p4c_image *image, int keep);

/* Give up all handles: committed images go into the cache if `keep`, all else out of memory. Without `keep` the cache
 * is emptied too. */
void p4c_images_release(struct p4c_images *images, int keep);

/* The image with a handle, or NULL. */
struct p4c_image *p4c_image_find(struct p4c_images *images, uint32_t handle);

/* A block, making room by dropping cached images, the oldest first. NULL where even that did not suffice; then
 * `details` has what error ALLOC adds. */
struct p4c_block *p4c_images_alloc(struct p4c_images *images, enum p4c_kind kind, uint32_t size, uint32_t alignment,
                                   uint32_t owner, struct p4c_details *details);

/* Bytes of a kind of memory that only cached images hold. */
uint32_t p4c_images_cached(const struct p4c_images *images, uint32_t kind);

/* Fields of a checked header. */
static inline uint32_t p4c_image_segments(const struct p4c_image *image)
{
    return image->header[9];
}
static inline const uint8_t *p4c_image_segment(const uint8_t *header, uint32_t number)
{
    return header + P4C_HEADER_SIZE + P4C_SEGMENT_SIZE * number;
}
/* The blocks and the entry, as addresses. */
uint32_t p4c_image_input(const struct p4c_image *image);
uint32_t p4c_image_output(const struct p4c_image *image);
uint32_t p4c_image_entry(const struct p4c_image *image);
uint32_t p4c_image_input_bytes(const struct p4c_image *image);
uint32_t p4c_image_output_bytes(const struct p4c_image *image);
/* The control block in memory. */
uint8_t *p4c_image_control(const struct p4c_images *images, const struct p4c_image *image);

#endif
