/* Written from the macros of components/log/include/esp_log.h: a tag, a format, its arguments. */
#pragma once

__attribute__((format(printf, 2, 3))) void esp_stub_log(const char *tag, const char *format, ...);
#define ESP_LOGE(tag, format, ...) esp_stub_log(tag, format, ##__VA_ARGS__)
#define ESP_LOGW(tag, format, ...) esp_stub_log(tag, format, ##__VA_ARGS__)
#define ESP_LOGI(tag, format, ...) esp_stub_log(tag, format, ##__VA_ARGS__)
