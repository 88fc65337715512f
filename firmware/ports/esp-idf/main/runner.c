/* runner.c: code of hosts in a task of its own, on core 1, while core 0 listens to the line.
 *
 * The task is kept from call to call. Code that is cancelled or runs out of time is ended with its task, in whatever
 * state it is, and the next call makes a new one. What it held of the system then stays held, which matters to functions
 * that allocate or print, not to networks. Faults restart the chip (fault.c).
 */
#include "board.h"
#include "cpu.h"

#include "esp_log.h"
#include "esp_system.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "sdkconfig.h"

enum { CORE = 1, PRIORITY = tskIDLE_PRIORITY + 5, TASK_BYTES = 2048 };

static struct {
    TaskHandle_t task;
    SemaphoreHandle_t done;
    uint32_t address;
    uint32_t value;
    uint64_t cycles;
} runner;

static void run(void *argument)
{
    (void)argument;
    cpu_own_vector_unit();
    for (;;) {
        ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
        int (*function)(void) = (int (*)(void))(uintptr_t)runner.address;
        uint64_t before = cpu_cycles();
        runner.value = (uint32_t)function();
        runner.cycles = cpu_cycles() - before;
        xSemaphoreGive(runner.done);
    }
}

static void make_task(void)
{
    uint32_t bytes = CONFIG_P4C_STACK_BYTES + TASK_BYTES;
    if (xTaskCreatePinnedToCore(run, "p4c_code", bytes, NULL, PRIORITY, &runner.task, CORE) == pdPASS) return;
    ESP_LOGE("p4c", "no memory for the task that runs code");
    esp_restart();
}

void runner_begin(void)
{
    runner.done = xSemaphoreCreateBinary();
    make_task();
}

/* Whether code that still runs is to be ended: 0, or the error. */
static int overdue(TickType_t start, uint32_t limit_ms)
{
    if (p4c_core_cancelled(&board_core)) return P4C_ERR_CANCELLED;
    return (xTaskGetTickCount() - start) * portTICK_PERIOD_MS >= limit_ms ? P4C_ERR_TIMEOUT : 0;
}

int runner_call(void *context, uint32_t address, uint32_t limit_ms, struct p4c_call_result *result)
{
    (void)context;
    if (p4c_core_cancelled(&board_core)) return P4C_ERR_CANCELLED;
    if (runner.task == NULL) make_task();
    runner.address = address;
    TickType_t start = xTaskGetTickCount();
    xTaskNotifyGive(runner.task);
    int error = 0;
    while (xSemaphoreTake(runner.done, error == 0 ? 1 : 0) != pdTRUE) {
        if (error != 0) {
            vTaskDelete(runner.task);
            runner.task = NULL;
            /* It may have come to its end just now. */
            xSemaphoreTake(runner.done, 0);
            return error;
        }
        board_serve(0);
        error = overdue(start, limit_ms);
    }
    result->value = runner.value;
    result->cycles = runner.cycles;
    return 0;
}
