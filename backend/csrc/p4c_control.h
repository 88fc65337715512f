/* The control block at the start of an image: how a loader and a model's entry talk. See firmware/IMAGE.md. */
#ifndef P4C_CONTROL_H
#define P4C_CONTROL_H

#include <stdint.h>

#define P4C_CONTROL_MAGIC 0x43423450u /* "P4BC" */
#define P4C_ALL_STEPS 0xffffffffu

enum p4c_status { P4C_OK = 0, P4C_NOT_RUN = -1 };

/* The loader fills addresses and `steps` before EXEC; the entry fills status and cycles. Little-endian words. */
struct p4c_control {
    uint32_t magic;
    uint32_t version;
    uint32_t input;   /* address of the input block: every input at the offset that the manifest gives */
    uint32_t output;  /* address of the output block */
    uint32_t arena;   /* address of the arena */
    uint32_t weights; /* address of the weights segment, the first if there are two */
    uint32_t steps;   /* run that many layers, or P4C_ALL_STEPS */
    int32_t status;
    uint32_t cycles_low;
    uint32_t cycles_high;
    uint32_t weights_psram; /* address of the second weights segment, 0 if there is one */
    uint32_t reserved[5];
};

#endif
