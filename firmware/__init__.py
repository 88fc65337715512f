"""The board's side: C sources that travel with the package."""
