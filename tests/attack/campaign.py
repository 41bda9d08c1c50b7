"""The campaign: goes round the attacks for some time, and keeps what failed for doing again."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from pathlib import Path

from attack_case import Attack, case_folder
from attack_worker import Done, Worker

MAX_KEPT = 20
"""Of how many failures of an attack the files are kept; all are counted."""

_HERE = Path(__file__).parent
_LOOK_SECONDS = 0.1
_SAID_SECONDS = 20


@dataclass
class Tally:
    """What came of the cases of one attack."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[Done] = field(default_factory=list)
    seconds: float = 0

    @property
    def cases(self) -> int:
        """How many are done."""
        return self.outcomes.total() + len(self.failures)


def run(
    attacks: Sequence[Attack],
    output: Path,
    *,
    minutes: float = 0,
    seeds: Sequence[int] = (),
    first: int = 0,
    processes: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Tally]:
    """Goes round the attacks, and gives what came of each by its name.

    Args:
        attacks: All that take part.
        output: The folder for the cases, of which those that failed stay.
        minutes: How long it goes on, with the seeds `first`, `first` + 1, …; or
        seeds: which seeds of each attack are done, whatever the time.
        first: See `minutes`.
        processes: How many cases are done at once.
        say: Is told how far it is, at least every 30 seconds.
    """
    tallies = {attack.name: Tally() for attack in attacks}
    cases = _shared(attacks, tallies, first, minutes)
    if seeds:
        cases = ((attack, seed) for attack in attacks for seed in seeds)
    output.mkdir(parents=True, exist_ok=True)
    workers = [Worker(attacks, output) for _ in range(processes)]
    began = said = time.monotonic()
    try:
        while True:
            for worker in workers:
                if worker.is_idle and (case := next(cases, None)):
                    worker.begin(*case)
            busy = [worker for worker in workers if not worker.is_idle]
            if not busy:
                return tallies
            connection.wait([worker.answers for worker in busy], _LOOK_SECONDS)
            for done in filter(None, [worker.look() for worker in busy]):
                _count(done, tallies[done.attack.name], output)
            if time.monotonic() - said >= _SAID_SECONDS:
                said = time.monotonic()
                say(f"{(said - began) / 60:.1f} minutes: {_sums(tallies)}")
    except KeyboardInterrupt:
        return tallies
    finally:
        for worker in workers:
            worker.end()


def table(tallies: Mapping[str, Tally]) -> str:
    """Attacks, cases, outcomes and failures, in Markdown."""
    rows = ["| attack | cases | outcomes | failures |", "|---|--:|---|--:|"]
    for name, tally in tallies.items():
        outcomes = ", ".join(f"{count:,} {word}" for word, count in tally.outcomes.most_common())
        rows.append(f"| {name} | {tally.cases:,} | {outcomes} | {len(tally.failures):,} |")
    return "\n".join(rows)


def main(argv: Sequence[str], attacks: Sequence[Attack], about: str | None = None) -> int:
    """The command; gives its exit status."""
    names = [attack.name for attack in attacks]
    parser = argparse.ArgumentParser(
        prog="python tests/attack",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=30, help="how long (30)")
    parser.add_argument("--only", action="append", choices=names, help="this attack; repeatable")
    parser.add_argument("--seed", type=int, help="this case of each attack, and no other")
    parser.add_argument("--first", type=int, default=0, help="the seed to begin with (0)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at once")
    parser.add_argument("--output", type=Path, default=Path(".attack"), help="for what failed")
    asked = parser.parse_args(argv)
    tallies = run(
        [attack for attack in attacks if not asked.only or attack.name in asked.only],
        asked.output,
        minutes=asked.minutes,
        seeds=() if asked.seed is None else (asked.seed,),
        first=asked.first,
        processes=asked.processes,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    print(f"{table(tallies)}\n\n{_sums(tallies)}")
    failures = [done for tally in tallies.values() for done in tally.failures]
    for done in failures:
        print(f"{done.attack.name} {done.seed}: {done.reason}")
    if failures:
        print(f"\nthe files of the failures are in {asked.output}, each with its again.sh")
    return 1 if failures else 0


def _sums(tallies: Mapping[str, Tally]) -> str:
    cases = sum(tally.cases for tally in tallies.values())
    failed = sum(len(tally.failures) for tally in tallies.values())
    return f"{cases:,} cases, {failed:,} failures"


def _shared(
    attacks: Sequence[Attack], tallies: Mapping[str, Tally], first: int, minutes: float
) -> Iterator[tuple[Attack, int]]:
    """Always a case of the attack that has had the least of its share of the time."""
    end = time.monotonic() + 60 * minutes
    begun = Counter[str]()

    def had(attack: Attack) -> tuple[float, int]:
        return tallies[attack.name].seconds / attack.share, begun[attack.name]

    while time.monotonic() < end:
        attack = min(attacks, key=had)
        yield attack, first + begun[attack.name]
        begun[attack.name] += 1


def _count(done: Done, tally: Tally, output: Path) -> None:
    """Counts a case, and keeps the files of one that failed."""
    tally.seconds += done.seconds
    if not done.reason:
        tally.outcomes[done.outcome] += 1
        return
    tally.failures.append(done)
    folder = case_folder(output, done.attack, done.seed)
    if len(tally.failures) > MAX_KEPT:
        shutil.rmtree(folder, ignore_errors=True)
        return
    again = [sys.executable, _HERE, f"--only={done.attack.name}", f"--seed={done.seed}"]
    (folder / "reason.txt").write_text(f"{done.reason}\n")
    (folder / "again.sh").write_text(
        f"cd {shlex.quote(str(_HERE.parents[1]))}\n{shlex.join(map(str, again))}\n"
    )
