"""From an integer Graph to a Plan, C text, ELF and image."""
