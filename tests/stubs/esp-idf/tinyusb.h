/* Written from esp_tinyusb 2.2.1, device/esp_tinyusb/include/tinyusb.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp_err.h"

typedef enum { TINYUSB_PORT_FULL_SPEED_0, TINYUSB_PORT_HIGH_SPEED_0, TINYUSB_PORT_MAX } tinyusb_port_t;

typedef struct {
    bool skip_setup;
    bool self_powered;
    int vbus_monitor_io;
} tinyusb_phy_config_t;

typedef struct {
    size_t size;
    uint8_t priority;
    int xCoreID;
} tinyusb_task_config_t;

typedef struct {
    tinyusb_port_t port;
    tinyusb_phy_config_t phy;
    tinyusb_task_config_t task;
} tinyusb_config_t;

esp_err_t tinyusb_driver_install(const tinyusb_config_t *config);
