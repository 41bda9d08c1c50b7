"""`python -m imagenet_beam`: the command line."""

import sys

from imagenet_beam.runners.cli import main

if __name__ == "__main__":
    sys.exit(main())
