"""`python -m regraft`, the same as `regraft`."""

import sys

from regraft.cli import main

if __name__ == "__main__":
    sys.exit(main())
