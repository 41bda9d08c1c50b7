"""The attacks, in a few cases each; `make attack` does many."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
