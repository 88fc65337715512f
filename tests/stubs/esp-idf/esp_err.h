/* Written from components/esp_common/include/esp_err.h. */
#pragma once

typedef int esp_err_t;

#define ESP_OK 0
#define ESP_FAIL -1
#define ESP_ERR_NO_MEM 0x101

void esp_stub_check(esp_err_t error);
#define ESP_ERROR_CHECK(x) esp_stub_check(x)
