"""The whole command in this process, and what is promised of how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from net_cases import Ended, run
from promises import check_shown

_MAX_LINES = 12


def ended(arguments: Sequence[str], output: Path, statuses: Sequence[int]) -> Ended:
    """Runs a command, which says one sentence where something is wrong, and nothing strange."""
    done = run(arguments, Path("nothing is written as this"), output)
    said = "\n".join((*done.printed, *done.said))
    print(f"status {done.status} of {arguments}\n{said}")
    assert done.status in statuses, f"status {done.status}"
    assert "Traceback" not in said
    for line in (*done.printed, *done.said):
        check_shown(line)
    if done.status == 2 and arguments[0] == "convert":
        sentences = [line for line in done.said if line.startswith("imagenet-beam: ")]
        assert len(sentences) == 1, f"{len(sentences)} sentences"
        assert done.said[-1] == sentences[0], "it says more than the sentence"
    return done
