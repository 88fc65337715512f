/* Written from esp_tinyusb 2.2.1, device/esp_tinyusb/include/tinyusb_cdc_acm.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "esp_err.h"
#include "sdkconfig.h"

#if (CONFIG_TINYUSB_CDC_ENABLED != 1)
#error "esp_tinyusb wants CONFIG_TINYUSB_CDC_ENABLED"
#endif

typedef enum { TINYUSB_CDC_ACM_0, TINYUSB_CDC_ACM_1, TINYUSB_CDC_ACM_MAX } tinyusb_cdcacm_itf_t;
typedef enum { CDC_EVENT_RX, CDC_EVENT_RX_WANTED_CHAR, CDC_EVENT_LINE_STATE_CHANGED } cdcacm_event_type_t;

typedef struct {
    cdcacm_event_type_t type;
} cdcacm_event_t;

typedef void (*tusb_cdcacm_callback_t)(int itf, cdcacm_event_t *event);

typedef struct {
    tinyusb_cdcacm_itf_t cdc_port;
    tusb_cdcacm_callback_t callback_rx;
    tusb_cdcacm_callback_t callback_rx_wanted_char;
    tusb_cdcacm_callback_t callback_line_state_changed;
    tusb_cdcacm_callback_t callback_line_coding_changed;
} tinyusb_config_cdcacm_t;

esp_err_t tinyusb_cdcacm_init(const tinyusb_config_cdcacm_t *config);
size_t tinyusb_cdcacm_write_queue(tinyusb_cdcacm_itf_t itf, const uint8_t *in_buf, size_t in_size);
esp_err_t tinyusb_cdcacm_write_flush(tinyusb_cdcacm_itf_t itf, uint32_t timeout_ticks);
esp_err_t tinyusb_cdcacm_read(tinyusb_cdcacm_itf_t itf, uint8_t *out_buf, size_t out_buf_sz, size_t *rx_data_size);
