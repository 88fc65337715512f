"""Boards behind a serial port: the packet protocol, its transport, loading and running images there."""
