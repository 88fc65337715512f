"""The core on the simulated chip, bare metal."""
