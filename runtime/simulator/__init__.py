"""The ESP32-P4 simulator: C sources, built on first use and driven through ctypes."""
