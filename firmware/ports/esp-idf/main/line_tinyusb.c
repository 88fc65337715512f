/* line_tinyusb.c: a CDC device on the high-speed USB port, by the managed component esp_tinyusb. */
#include "board.h"

#include "esp_err.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "tinyusb.h"
#include "tinyusb_cdc_acm.h"
#include "tinyusb_default_config.h"

/* Core 1 is for code of hosts. */
enum { CORE = 0 };

static SemaphoreHandle_t arrived;

static void on_arrival(int port, cdcacm_event_t *event)
{
    (void)port, (void)event;
    xSemaphoreGive(arrived);
}

void line_begin(void)
{
    arrived = xSemaphoreCreateBinary();
    tinyusb_config_t config = TINYUSB_DEFAULT_CONFIG();
    config.task = TINYUSB_TASK_CUSTOM(TINYUSB_DEFAULT_TASK_SIZE, TINYUSB_DEFAULT_TASK_PRIO, CORE);
    ESP_ERROR_CHECK(tinyusb_driver_install(&config));
    const tinyusb_config_cdcacm_t serial = {.cdc_port = TINYUSB_CDC_ACM_0, .callback_rx = on_arrival};
    ESP_ERROR_CHECK(tinyusb_cdcacm_init(&serial));
}

static uint32_t take(uint8_t *data, uint32_t size)
{
    size_t count = 0;
    return tinyusb_cdcacm_read(TINYUSB_CDC_ACM_0, data, size, &count) == ESP_OK ? (uint32_t)count : 0;
}

uint32_t line_read(uint8_t *data, uint32_t size, TickType_t ticks)
{
    uint32_t count = take(data, size);
    if (count > 0 || xSemaphoreTake(arrived, ticks) != pdTRUE) return count;
    return take(data, size);
}

void line_write(const uint8_t *data, uint32_t size)
{
    while (size > 0) {
        uint32_t count = (uint32_t)tinyusb_cdcacm_write_queue(TINYUSB_CDC_ACM_0, data, size);
        data += count;
        size -= count;
        (void)tinyusb_cdcacm_write_flush(TINYUSB_CDC_ACM_0, 0);
        if (count == 0) vTaskDelay(1);
    }
}

void line_drain(void)
{
    (void)tinyusb_cdcacm_write_flush(TINYUSB_CDC_ACM_0, pdMS_TO_TICKS(500));
}
