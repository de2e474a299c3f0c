"""`python -m tfcsi.ue`: see `tfcsi.ue.program`."""

import sys

from tfcsi.ue.program import main

if __name__ == "__main__":
    sys.exit(main())
