/* line_uart.c: a UART, mostly behind a USB bridge on the board. */
#include "board.h"

#include "driver/uart.h"
#include "esp_err.h"
#include "sdkconfig.h"

static const uart_port_t PORT = CONFIG_P4C_UART_NUMBER;

void line_begin(void)
{
    const uart_config_t config = {
        .baud_rate = CONFIG_P4C_UART_BAUD,
        .data_bits = UART_DATA_8_BITS,
        .parity = UART_PARITY_DISABLE,
        .stop_bits = UART_STOP_BITS_1,
        .flow_ctrl = UART_HW_FLOWCTRL_DISABLE,
        .source_clk = UART_SCLK_DEFAULT,
    };
    /* Nothing holds hosts up, so there is room for all that may be under way. Sending waits, without a buffer. */
    ESP_ERROR_CHECK(uart_driver_install(PORT, BOARD_WAITING, 0, 0, NULL, 0));
    ESP_ERROR_CHECK(uart_param_config(PORT, &config));
    ESP_ERROR_CHECK(uart_set_pin(PORT, CONFIG_P4C_UART_TX, CONFIG_P4C_UART_RX, UART_PIN_NO_CHANGE, UART_PIN_NO_CHANGE));
}

uint32_t line_read(uint8_t *data, uint32_t size, TickType_t ticks)
{
    /* The driver waits until `size` bytes are there: so for one first, then for what came with it. */
    int count = uart_read_bytes(PORT, data, 1, ticks);
    if (count <= 0) return 0;
    int more = uart_read_bytes(PORT, data + 1, size - 1, 0);
    return more > 0 ? 1 + (uint32_t)more : 1;
}

void line_write(const uint8_t *data, uint32_t size)
{
    while (size > 0) {
        int count = uart_write_bytes(PORT, data, size);
        if (count <= 0) continue;
        data += count;
        size -= (uint32_t)count;
    }
}

void line_drain(void)
{
    (void)uart_wait_tx_done(PORT, pdMS_TO_TICKS(500));
}
