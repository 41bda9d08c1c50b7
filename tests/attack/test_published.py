"""Whatever happens to a finished set is found: hundreds of damages, each by its seed."""

import collections
import shutil

import conversions
import pytest
from attack_case import draws
from conversions import INDEXED
from published import ATTACKS, DAMAGES, WITH_REJECTS, strike

pytestmark = pytest.mark.xdist_group("forks")  # the process that forks is made once

FORGERY = ATTACKS[1]


@pytest.mark.parametrize("conversion", [WITH_REJECTS, INDEXED], ids=lambda one: one.name)
@pytest.mark.parametrize("kind", DAMAGES, ids=lambda kind: kind.__name__)
def test_damages_are_found_and_named(tmp_path, conversion, kind):
    outcomes = collections.Counter()
    for seed in range(25):
        out = shutil.copytree(conversions.finished(conversion), tmp_path / str(seed))
        rng = draws(ATTACKS[0], seed)
        outcomes[strike(kind, rng, out, deep=seed % 5 == 0)] += 1
    assert outcomes["found"] and outcomes["found by --deep"], outcomes
    assert outcomes["no change"] <= 5, outcomes


@pytest.mark.parametrize("seed", range(20))
def test_a_wrong_record_under_right_checksums_is_found_by_a_deep_look(tmp_path, seed):
    assert FORGERY.strike(draws(FORGERY, seed), tmp_path) == "found by --deep only"
