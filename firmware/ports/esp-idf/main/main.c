/* main.c: the core on ESP-IDF: facts of the board, packet buffers, and the loop that serves the line. */
#include "board.h"

#include "esp_chip_info.h"
#include "esp_heap_caps.h"
#include "esp_log.h"
#include "esp_private/esp_clk.h"
#include "esp_system.h"
#include "freertos/task.h"
#include "sdkconfig.h"

#if defined(CONFIG_ESP_SYSTEM_PMP_IDRAM_SPLIT) || defined(CONFIG_ESP_SYSTEM_MEMPROT)
#error "memory protection keeps code in data memory from executing: use sdkconfig.defaults.esp32p4"
#endif
#if defined(CONFIG_P4C_LINE_USB_JTAG) && defined(CONFIG_ESP_CONSOLE_USB_SERIAL_JTAG_ENABLED)
#error "the log goes to the port of the protocol: use sdkconfig.usb_jtag"
#endif
#if defined(CONFIG_P4C_LINE_UART) && defined(CONFIG_ESP_CONSOLE_UART) && \
    CONFIG_ESP_CONSOLE_UART_NUM == CONFIG_P4C_UART_NUMBER
#error "the log goes to the port of the protocol: use sdkconfig.uart"
#endif

/* Packets of 1 MB and a little, as P4-JIT has: its hosts send a WRITE in one piece. Without PSRAM they are small. */
enum { LARGE_PAYLOAD = 1024 * 1024 + 1024, SMALL_PAYLOAD = BOARD_BLOCK + 1024, AROUND = 16 };

static const char TAG[] = "p4c";

struct p4c_core board_core;

static struct p4c_board board = {
    .name = "p4c esp-idf",
    .cache_line = CONFIG_CACHE_L2_CACHE_LINE_SIZE,
    .stack_bytes = CONFIG_P4C_STACK_BYTES,
    .limit_ms = CONFIG_P4C_LIMIT_MS,
    .block_bytes = BOARD_BLOCK,
    .window = BOARD_WINDOW,
    .timeout_ms = 250,
};

static void board_send(void *context, const uint8_t *data, uint32_t size)
{
    (void)context;
    line_write(data, size);
}

static uint32_t board_milliseconds(void *context)
{
    (void)context;
    return xTaskGetTickCount() * portTICK_PERIOD_MS;
}

static void board_restart(void *context)
{
    (void)context;
    line_drain();
    esp_restart();
}

static const struct p4c_port port = {
    .alloc = memory_alloc,
    .free = memory_free,
    .heap = memory_heap,
    .memory = memory_at,
    .sync = memory_sync,
    .call = runner_call,
    .send = board_send,
    .milliseconds = board_milliseconds,
    .restart = board_restart,
};

void board_serve(TickType_t ticks)
{
    static uint8_t bytes[1024];
    p4c_core_receive(&board_core, bytes, line_read(bytes, sizeof bytes, ticks));
}

static struct p4c_buffers packet_buffers(void)
{
    uint32_t size = LARGE_PAYLOAD + AROUND, caps = MALLOC_CAP_SPIRAM;
    if (heap_caps_get_largest_free_block(caps) < 2 * size) {
        size = SMALL_PAYLOAD + AROUND;
        caps = MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT;
    }
    uint8_t *receive = heap_caps_malloc(size, caps), *send = heap_caps_malloc(size, caps);
    if (receive == NULL || send == NULL) {
        ESP_LOGE(TAG, "no memory for packets");
        esp_restart();
    }
    return (struct p4c_buffers){receive, size, send, size};
}

void app_main(void)
{
    esp_chip_info_t chip;
    esp_chip_info(&chip);
    board.chip_major = chip.revision < 300 ? 1 : 3;
    board.chip_minor = (uint8_t)(chip.revision % 100);
    board.clock_hz = (uint32_t)esp_clk_cpu_freq();
    const struct p4c_buffers buffers = packet_buffers();
    line_begin();
    runner_begin();
    if (p4c_core_begin(&board_core, &port, &board, fault_log(), &buffers) != 0) {
        ESP_LOGE(TAG, "the packet buffers are too small");
        return;
    }
    ESP_LOGI(TAG, "chip v%d.%d at %d MHz, packets of %d bytes", chip.revision / 100, chip.revision % 100,
             (int)(board.clock_hz / 1000000), (int)buffers.receive_size);
    for (;;) board_serve(portMAX_DELAY);
}
