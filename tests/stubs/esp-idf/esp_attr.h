/* Written from components/esp_common/include/esp_attr.h. */
#pragma once

#define RTC_NOINIT_ATTR __attribute__((section(".rtc_noinit")))
#define IRAM_ATTR __attribute__((section(".iram1")))
