"""``python -m htmu_diag`` is ``htmu``."""

import sys

from htmu_diag.cli import main

if __name__ == "__main__":
    sys.exit(main())
