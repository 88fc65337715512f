"""The portable core: the protocol, the loader, the table of allocations."""
