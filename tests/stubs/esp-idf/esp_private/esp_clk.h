/* Written from components/esp_hw_support/include/esp_private/esp_clk.h. */
#pragma once

int esp_clk_cpu_freq(void);
