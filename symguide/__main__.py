"""``python -m symguide``: the command line."""

import sys

from symguide.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
