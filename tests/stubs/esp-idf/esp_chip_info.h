/* Written from components/esp_hw_support/include/esp_chip_info.h. */
#pragma once

#include <stdint.h>

typedef enum { CHIP_ESP32P4 = 18 } esp_chip_model_t;

/* revision: 100 for v1.0, 301 for v3.1. */
typedef struct {
    esp_chip_model_t model;
    uint32_t features;
    uint16_t revision;
    uint8_t cores;
} esp_chip_info_t;

void esp_chip_info(esp_chip_info_t *out_info);
