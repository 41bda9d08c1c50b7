"""The net: what the command does today, seen from outside only; see `record.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from net_inputs import build


@pytest.fixture(scope="session")
def inputs(tmp_path_factory) -> Path:
    """All inputs in all their forms, built anew."""
    return build(tmp_path_factory.mktemp("net") / "in")
