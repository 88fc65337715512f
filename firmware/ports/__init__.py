"""Ports of the core, a folder each."""
