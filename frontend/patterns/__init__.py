"""Quantizer patterns: one file per export form."""
