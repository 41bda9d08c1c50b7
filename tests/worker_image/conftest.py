"""Images for the tests: each is built once in a process."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from images import worker_image  # noqa: F401
