"""Headers for raw functions: declarations of what a firmware with a C library has, and nothing that defines it."""
