"""The C kernels and the linker script that generated code is built from."""
