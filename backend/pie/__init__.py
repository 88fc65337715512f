"""The PIE instruction table and what is derived from it."""
