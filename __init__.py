"""p4c: an ahead-of-time compiler from QAT ONNX networks to INT8 code for the ESP32-P4."""
