/* line_usb_jtag.c: the chip's own USB serial port. */
#include "board.h"

#include "driver/usb_serial_jtag.h"
#include "esp_err.h"

/* The driver drops what does not fit, so there is room for all that may be under way; it sends whole pieces. */
enum { SEND_ROOM = 8192, PIECE = 2048 };

void line_begin(void)
{
    usb_serial_jtag_driver_config_t config = {.tx_buffer_size = SEND_ROOM, .rx_buffer_size = BOARD_WAITING};
    ESP_ERROR_CHECK(usb_serial_jtag_driver_install(&config));
}

uint32_t line_read(uint8_t *data, uint32_t size, TickType_t ticks)
{
    int count = usb_serial_jtag_read_bytes(data, size, ticks);
    return count > 0 ? (uint32_t)count : 0;
}

void line_write(const uint8_t *data, uint32_t size)
{
    while (size > 0) {
        uint32_t piece = size < PIECE ? size : PIECE;
        int count = usb_serial_jtag_write_bytes(data, piece, portMAX_DELAY);
        if (count <= 0) continue;
        data += count;
        size -= (uint32_t)count;
    }
}

void line_drain(void)
{
    (void)usb_serial_jtag_wait_tx_done(pdMS_TO_TICKS(500));
}
