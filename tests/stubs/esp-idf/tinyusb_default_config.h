/* Written from esp_tinyusb 2.2.1, device/esp_tinyusb/include/tinyusb_default_config.h. */
#pragma once

#include "tinyusb.h"

#define TINYUSB_DEFAULT_TASK_SIZE 4096
#define TINYUSB_DEFAULT_TASK_PRIO 5
#define TINYUSB_TASK_CUSTOM(s, p, a) (tinyusb_task_config_t){.size = (s), .priority = (p), .xCoreID = (a)}
#define TINYUSB_DEFAULT_CONFIG() \
    (tinyusb_config_t){ \
        .port = TINYUSB_PORT_HIGH_SPEED_0, \
        .phy = {.vbus_monitor_io = -1}, \
        .task = TINYUSB_TASK_CUSTOM(TINYUSB_DEFAULT_TASK_SIZE, TINYUSB_DEFAULT_TASK_PRIO, 1), \
    }
