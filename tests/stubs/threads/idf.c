/* idf.c: what firmware/ports/esp-idf uses of ESP-IDF, on the threads of a Linux host: tasks, semaphores, heaps whose
 * addresses have 32 bits, and a line that is standard input and output. Faults and restarts end the process.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "board.h"
#include "driver/usb_serial_jtag.h"
#include "esp_cache.h"
#include "esp_chip_info.h"
#include "esp_heap_caps.h"
#include "esp_log.h"
#include "esp_private/esp_clk.h"
#include "esp_private/panic_internal.h"
#include "esp_system.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "riscv/rvruntime-frames.h"

/* Exit statuses. */
enum { RESTARTED = 42, FAULTED = 43, MISUSED = 44 };

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    _exit(MISUSED);
}

void esp_stub_check(esp_err_t error)
{
    if (error != ESP_OK) fail("ESP_ERROR_CHECK");
}

void esp_stub_log(const char *tag, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", tag);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

/* Time. */

static uint64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

TickType_t xTaskGetTickCount(void)
{
    return (TickType_t)milliseconds();
}

void vTaskDelay(const TickType_t ticks)
{
    usleep(1000 * ticks);
}

/* Semaphores and tasks. */

struct QueueDefinition {
    sem_t semaphore;
};

static int wait_for(sem_t *semaphore, TickType_t ticks)
{
    if (ticks == portMAX_DELAY) return sem_wait(semaphore) == 0;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    uint64_t nanoseconds = (uint64_t)until.tv_nsec + (uint64_t)ticks * 1000000;
    until.tv_sec += (time_t)(nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    return sem_timedwait(semaphore, &until) == 0;
}

SemaphoreHandle_t xSemaphoreCreateBinary(void)
{
    SemaphoreHandle_t made = malloc(sizeof *made);
    sem_init(&made->semaphore, 0, 0);
    return made;
}

BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t ticks)
{
    return wait_for(&semaphore->semaphore, ticks) ? pdTRUE : pdFALSE;
}

BaseType_t xSemaphoreGive(SemaphoreHandle_t semaphore)
{
    int value;
    sem_getvalue(&semaphore->semaphore, &value);
    if (value == 0) sem_post(&semaphore->semaphore);
    return pdTRUE;
}

struct tskTaskControlBlock {
    pthread_t thread;
    sem_t notified;
    TaskFunction_t code;
};

static __thread TaskHandle_t self;

static void *begin_task(void *task)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    self = task;
    self->code(NULL);
    fail("a task has returned");
    return NULL;
}

BaseType_t xTaskCreatePinnedToCore(TaskFunction_t code, const char *const name, const uint32_t stack_bytes,
                                   void *const argument, UBaseType_t priority, TaskHandle_t *const created,
                                   const BaseType_t core)
{
    (void)name, (void)stack_bytes, (void)argument, (void)priority;
    if (core != 1) fail("code runs on the core of the line");
    TaskHandle_t task = calloc(1, sizeof *task);
    sem_init(&task->notified, 0, 0);
    task->code = code;
    *created = task;
    return pthread_create(&task->thread, NULL, begin_task, task) == 0 ? pdPASS : pdFALSE;
}

void vTaskDelete(TaskHandle_t task)
{
    pthread_cancel(task->thread);
    pthread_join(task->thread, NULL);
    free(task);
}

BaseType_t xTaskNotifyGive(TaskHandle_t task)
{
    sem_post(&task->notified);
    return pdPASS;
}

uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t ticks)
{
    (void)clear;
    return wait_for(&self->notified, ticks) ? 1 : 0;
}

/* Heaps: each block has pages of its own. */

enum { BLOCKS = 256, PAGE = 4096 };

static struct {
    void *start;
    size_t size;
    uint32_t caps;
} blocks[BLOCKS];

static size_t total(uint32_t caps)
{
    if (caps & MALLOC_CAP_SPIRAM) return 8 << 20;
    return caps & MALLOC_CAP_INTERNAL ? 448 << 10 : 8 << 10;
}

size_t heap_caps_get_total_size(uint32_t caps)
{
    return total(caps);
}

size_t heap_caps_get_free_size(uint32_t caps)
{
    size_t taken = 0;
    for (int i = 0; i < BLOCKS; i++) taken += blocks[i].start != NULL && total(blocks[i].caps) == total(caps) ? blocks[i].size : 0;
    return total(caps) - taken;
}

size_t heap_caps_get_largest_free_block(uint32_t caps)
{
    return heap_caps_get_free_size(caps);
}

void *heap_caps_aligned_alloc(size_t alignment, size_t size, uint32_t caps)
{
    if (size > heap_caps_get_free_size(caps) || alignment > PAGE) return NULL;
    int slot = 0;
    while (slot < BLOCKS && blocks[slot].start != NULL) slot++;
    if (slot == BLOCKS) return NULL;
    void *start = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (start == MAP_FAILED) return NULL;
    blocks[slot].start = start;
    blocks[slot].size = size;
    blocks[slot].caps = caps;
    return start;
}

void *heap_caps_malloc(size_t size, uint32_t caps)
{
    return heap_caps_aligned_alloc(16, size, caps);
}

void heap_caps_free(void *block)
{
    for (int i = 0; i < BLOCKS; i++) {
        if (block == NULL || blocks[i].start != block) continue;
        munmap(block, blocks[i].size);
        blocks[i].start = NULL;
        return;
    }
    fail("what is freed was not allocated");
}

/* The chip. */

esp_err_t esp_cache_msync(void *addr, size_t size, int flags)
{
    if ((uintptr_t)addr % 128 != 0 || size % 128 != 0) fail("caches are synchronized by whole lines");
    static int last = ESP_CACHE_MSYNC_FLAG_DIR_M2C | ESP_CACHE_MSYNC_FLAG_TYPE_INST;
    if (flags == last) fail("write back, then invalidate");
    return last = flags, ESP_OK;
}

void esp_chip_info(esp_chip_info_t *out_info)
{
    *out_info = (esp_chip_info_t){.model = CHIP_ESP32P4, .revision = (uint16_t)atoi(getenv("REVISION")), .cores = 2};
}

int esp_clk_cpu_freq(void)
{
    return 360000000;
}

void esp_restart(void)
{
    _exit(RESTARTED);
}

void __wrap_esp_panic_handler(panic_info_t *info);
void __real_esp_panic_handler(panic_info_t *info);
void __real_esp_panic_handler(panic_info_t *info)
{
    (void)info;
    const struct p4c_fault_log *log = fault_log();
    fprintf(stderr, "faults %u cause %u pc %#x value %#x in firmware %u\n", log->faults, log->last.cause, log->last.pc,
            log->last.value, log->in_firmware);
    _exit(FAULTED);
}

static void on_fault(int number, siginfo_t *signal, void *context)
{
    (void)number;
    const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const RvExcFrame frame = {.mcause = 0x38000005, .mepc = registers[REG_RIP], .mtval = (long)signal->si_addr};
    panic_info_t info = {.frame = &frame};
    __wrap_esp_panic_handler(&info);
}

/* The line. */

esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t *config)
{
    return config->rx_buffer_size >= BOARD_WAITING ? ESP_OK : ESP_FAIL;
}

int usb_serial_jtag_read_bytes(void *buf, uint32_t length, uint32_t ticks_to_wait)
{
    struct pollfd line = {.fd = 0, .events = POLLIN};
    if (poll(&line, 1, ticks_to_wait == portMAX_DELAY ? -1 : (int)ticks_to_wait) <= 0) return 0;
    ssize_t count = read(0, buf, length);
    if (count <= 0) _exit(0);
    return (int)count;
}

int usb_serial_jtag_write_bytes(const void *src, size_t size, uint32_t ticks_to_wait)
{
    (void)ticks_to_wait;
    return (int)write(1, src, size);
}

esp_err_t usb_serial_jtag_wait_tx_done(uint32_t ticks_to_wait)
{
    (void)ticks_to_wait;
    return ESP_OK;
}

void app_main(void);

int main(void)
{
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    app_main();
    return MISUSED;
}
