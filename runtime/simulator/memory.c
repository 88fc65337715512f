/* memory.c: the memory map of the chip, and every access that the execute loop's fast path declines. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

#define KIB 1024u
#define MIB (1024u * 1024u)

/* The windows of flash and PSRAM: the cache-backed external memory of the ESP32-P4 data bus. */
#define MAX_EXTERNAL (64 * MIB)

/* Sources: ESP-IDF components/soc/esp32p4/include/soc/soc.h (SOC_SCP_LOW, SOC_IROM_LOW, SOC_EXTRAM_LOW,
 * SOC_IRAM_LOW, and their _HIGH) and components/esp_system/ld/esp32p4/memory.ld.in. ROM and the memory
 * of the low-power core are not modelled. A size of 0 stands for the configured one. */
static const struct memory_row {
    uint32_t base;
    uint32_t size;
    uint32_t permissions;
} MEMORY_MAP[] = {
    {0x30100000, 8 * KIB, CAN_READ | CAN_WRITE | CAN_EXECUTE},   /* TCM, also called SPM */
    {0x40000000, 0, CAN_READ | CAN_EXECUTE},                     /* flash, executed in place */
    {0x48000000, 0, CAN_READ | CAN_WRITE | CAN_EXECUTE},         /* PSRAM */
    {0x4ff00000, 768 * KIB, CAN_READ | CAN_WRITE | CAN_EXECUTE}, /* L2MEM; holds the L2 cache too */
};

static bool add_region(struct p4c_sim *sim, struct region region) {
    uint64_t end = (uint64_t)region.base + region.size;
    if (region.size == 0 || end > UINT64_C(1) << 32 || sim->region_count == MAX_REGIONS) return false;
    for (uint32_t i = 0; i < sim->region_count; i++) {
        const struct region *other = &sim->regions[i];
        if (region.base < (uint64_t)other->base + other->size && other->base < end) return false;
    }
    sim->regions[sim->region_count++] = region;
    return true;
}

static bool add_memory(struct p4c_sim *sim, uint32_t base, uint32_t size, uint32_t permissions) {
    uint8_t *memory = calloc(size, 1);
    if (memory == NULL) return false;
    struct region region = {.base = base, .size = size, .permissions = permissions, .memory = memory};
    if (!add_region(sim, region)) {
        free(memory);
        return false;
    }
    for (uint32_t offset = 0; offset < size; offset += PAGE_SIZE) {
        struct page *page = &sim->pages[(base + offset) >> PAGE_BITS];
        page->read = memory + offset;
        page->write = permissions & CAN_WRITE ? memory + offset : NULL;
    }
    return true;
}

static bool valid_size(uint32_t size) {
    return size <= MAX_EXTERNAL && (size & PAGE_MASK) == 0;
}

bool p4c_memory_create(struct p4c_sim *sim, const struct p4c_sim_config *config) {
    if (!valid_size(config->flash_size) || !valid_size(config->psram_size)) return false;
    sim->pages = calloc(PAGE_COUNT, sizeof *sim->pages);
    if (sim->pages == NULL) return false;
    for (size_t i = 0; i < sizeof MEMORY_MAP / sizeof MEMORY_MAP[0]; i++) {
        const struct memory_row *row = &MEMORY_MAP[i];
        uint32_t size = row->size;
        if (size == 0) size = row->permissions & CAN_WRITE ? config->psram_size : config->flash_size;
        if (size != 0 && !add_memory(sim, row->base, size, row->permissions)) return false;
    }
    return true;
}

void p4c_memory_destroy(struct p4c_sim *sim) {
    for (uint32_t i = 0; i < sim->region_count; i++) {
        const struct region *region = &sim->regions[i];
        for (uint32_t offset = 0; region->memory != NULL && offset < region->size; offset += PAGE_SIZE) {
            struct code_page *code = sim->pages[(region->base + offset) >> PAGE_BITS].code;
            if (code != NULL) free(code->pie);
            if (code != NULL) free(code->timing);
            free(code);
        }
        free(region->memory);
    }
    free(sim->pages);
}

/* The region that holds all of [address, address + size), or NULL. */
static const struct region *find_region(const struct p4c_sim *sim, uint32_t address, uint32_t size) {
    for (uint32_t i = 0; i < sim->region_count; i++) {
        const struct region *region = &sim->regions[i];
        uint32_t offset = address - region->base;
        if (offset < region->size && size <= region->size - offset) return region;
    }
    return NULL;
}

bool p4c_memory_writable(const struct p4c_sim *sim, uint32_t address, uint32_t size) {
    const struct region *region = find_region(sim, address, size);
    return region != NULL && region->memory != NULL && region->permissions & CAN_WRITE;
}

bool p4c_record_fault(struct p4c_sim *sim, enum p4c_sim_fault fault, uint32_t address, uint32_t size) {
    sim->stop.fault = fault;
    sim->stop.address = address;
    sim->stop.size = size;
    return false;
}

/* Loads that cross a page, of device registers, or of nothing. LOAD_FAULT where there is a fault. */
uint64_t p4c_load_slow(struct p4c_sim *sim, uint32_t address, uint32_t size) {
    const struct region *region = find_region(sim, address, size);
    if (region == NULL) {
        p4c_record_fault(sim, P4C_SIM_FAULT_LOAD, address, size);
        return LOAD_FAULT;
    }
    if (region->memory != NULL) {
        uint32_t value = 0;
        memcpy(&value, region->memory + (address - region->base), size);
        return value;
    }
    if (address % size != 0) {
        p4c_record_fault(sim, P4C_SIM_FAULT_MISALIGNED, address, size);
        return LOAD_FAULT;
    }
    return region->mmio_read(region->context, address - region->base, size);
}

/* Stores that cross a page, to a page that holds code, to device registers, or to nothing writable. */
bool p4c_store_slow(struct p4c_sim *sim, uint32_t address, uint32_t size, uint32_t value) {
    const struct region *region = find_region(sim, address, size);
    if (region == NULL || !(region->permissions & CAN_WRITE)) {
        return p4c_record_fault(sim, P4C_SIM_FAULT_STORE, address, size);
    }
    if (region->memory != NULL) {
        memcpy(region->memory + (address - region->base), &value, size);
        p4c_forget_code(sim, address, size);
        return true;
    }
    if (address % size != 0) return p4c_record_fault(sim, P4C_SIM_FAULT_MISALIGNED, address, size);
    uint32_t mask = UINT32_MAX >> (32 - 8 * size);
    region->mmio_write(region->context, address - region->base, size, value & mask);
    return true;
}

int p4c_sim_read(const struct p4c_sim *sim, uint32_t address, void *data, uint32_t size) {
    const struct region *region = find_region(sim, address, size);
    if (region == NULL || region->memory == NULL) return 0;
    memcpy(data, region->memory + (address - region->base), size);
    return 1;
}

int p4c_sim_write(struct p4c_sim *sim, uint32_t address, const void *data, uint32_t size) {
    const struct region *region = find_region(sim, address, size);
    if (region == NULL || region->memory == NULL) return 0;
    memcpy(region->memory + (address - region->base), data, size);
    p4c_forget_code(sim, address, size);
    return 1;
}

int p4c_sim_map_mmio(struct p4c_sim *sim, uint32_t base, uint32_t size, p4c_sim_mmio_read read,
                     p4c_sim_mmio_write write, void *context) {
    struct region region = {
        .base = base,
        .size = size,
        .permissions = CAN_READ | CAN_WRITE,
        .mmio_read = read,
        .mmio_write = write,
        .context = context,
    };
    return add_region(sim, region);
}
