"""Attacks the program for some minutes, says what came of it, and keeps what failed.

    .venv/bin/python tests/attack --minutes=30
    .venv/bin/python tests/attack --only=tar-gnu --seed=77    one case again

The table is Markdown, as it stands in docs/failures.md.
"""

import sys

from campaign import main
from catalogue import ATTACKS

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], ATTACKS, __doc__))
