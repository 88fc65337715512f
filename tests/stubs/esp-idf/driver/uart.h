/* Written from components/esp_driver_uart/include/driver/uart.h, IDF 5.5.4 and 6.0.2. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "esp_err.h"
#include "esp_idf_version.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"

typedef enum { UART_NUM_0, UART_NUM_1, UART_NUM_MAX } uart_port_t;
typedef enum { UART_DATA_8_BITS = 3 } uart_word_length_t;
typedef enum { UART_PARITY_DISABLE = 0 } uart_parity_t;
typedef enum { UART_STOP_BITS_1 = 1 } uart_stop_bits_t;
typedef enum { UART_HW_FLOWCTRL_DISABLE = 0 } uart_hw_flowcontrol_t;
typedef enum { UART_SCLK_DEFAULT = 5 } uart_sclk_t;

typedef struct {
    int baud_rate;
    uart_word_length_t data_bits;
    uart_parity_t parity;
    uart_stop_bits_t stop_bits;
    uart_hw_flowcontrol_t flow_ctrl;
    uint8_t rx_flow_ctrl_thresh;
    union {
        uart_sclk_t source_clk;
    };
    struct {
        uint32_t allow_pd : 1;
        uint32_t backup_before_sleep : 1;
    } flags;
} uart_config_t;

#define UART_PIN_NO_CHANGE (-1)

esp_err_t uart_driver_install(uart_port_t port, int rx_bytes, int tx_bytes, int queue, QueueHandle_t *events, int flags);
esp_err_t uart_param_config(uart_port_t port, const uart_config_t *config);
esp_err_t uart_stub_set_pin5(uart_port_t port, int tx, int rx, int rts, int cts);
#if ESP_IDF_VERSION_MAJOR < 6
#define uart_set_pin uart_stub_set_pin5
#else
/* A macro of four or six pins, like IDF's. */
esp_err_t uart_stub_set_pin7(uart_port_t port, int tx, int rx, int rts, int cts, int dtr, int dsr);
#define uart_stub_choose(p, a, b, c, d, e, f, function, ...) function
#define uart_set_pin(...) \
    uart_stub_choose(__VA_ARGS__, uart_stub_set_pin7, invalid, uart_stub_set_pin5, invalid, invalid)(__VA_ARGS__)
#endif
int uart_read_bytes(uart_port_t port, void *buf, uint32_t length, uint32_t ticks_to_wait);
int uart_write_bytes(uart_port_t port, const void *src, size_t size);
esp_err_t uart_wait_tx_done(uart_port_t port, uint32_t ticks_to_wait);
