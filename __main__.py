"""`python -m p4c` is the command `p4c`."""

import sys

from .cli import main

sys.exit(main())
