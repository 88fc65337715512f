"""The module benchmarks/layers.py, which is no part of the package."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "benchmarks"

sys.path.insert(0, str(FOLDER))
try:
    import layers
finally:
    sys.path.remove(str(FOLDER))

__all__ = ["layers"]
