/* The IDF that the stubs stand for; tests choose with -DIDF_MAJOR. */
#pragma once

#ifndef IDF_MAJOR
#define IDF_MAJOR 5
#endif
#define ESP_IDF_VERSION_MAJOR IDF_MAJOR
#define ESP_IDF_VERSION_MINOR (IDF_MAJOR == 5 ? 5 : 0)
#define ESP_IDF_VERSION_PATCH (IDF_MAJOR == 5 ? 4 : 2)
#define ESP_IDF_VERSION_VAL(major, minor, patch) (((major) << 16) | ((minor) << 8) | (patch))
#define ESP_IDF_VERSION ESP_IDF_VERSION_VAL(ESP_IDF_VERSION_MAJOR, ESP_IDF_VERSION_MINOR, ESP_IDF_VERSION_PATCH)
