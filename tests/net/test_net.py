"""Nothing shows outside that has not been recorded: see `record.py`."""

import pytest
from net_cases import STEPS, beam_version, checks, image_libraries, observed
from record import load

GOLDEN = load()
CHECKS = checks()
VERSIONS = GOLDEN["versions"]


def test_every_golden_value_is_looked_at():
    assert GOLDEN.keys() - {"versions"} == CHECKS.keys()


@pytest.mark.parametrize("name", CHECKS)
def test_as_recorded(name, inputs):
    check, golden = CHECKS[name], GOLDEN[name]
    if check.needs_images and (here := image_libraries()) != VERSIONS["images"]:
        pytest.skip(f"recorded with {VERSIONS['images']}: {here} write other bytes")
    seen = observed(check, inputs)
    if STEPS in golden and beam_version() != VERSIONS["beam"]:  # names its own steps otherwise
        del seen[STEPS], golden[STEPS]
    assert seen == golden
