"""The first table: whole programs on the same photographs, in turns, medians over the turns.

    make benchmark PHOTOS=folder-or-tar IMAGES=10000 TURNS=3

or, with the photographs in the forms that `photographs.py` writes:

    python -m benchmarks.throughput --photographs=FOLDER --only ours pool
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.contestants import CONTESTANTS, NotInstalledError, command, environment, variables
from benchmarks.process_tree import Usage, measure, written

COLUMNS = (
    "program",
    "images/s, start to exit",
    "images/s while writing",
    "s to first output",
    "CPU s",
    "peak MB",
    "MB written",
)


def run(key: str, python: Path, photographs: Path, images: int, args: argparse.Namespace) -> Usage:
    """One turn of one contestant, into an empty folder that is removed."""
    output = args.work / "output"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    cores = len(os.sched_getaffinity(0))
    fields = {
        "archive": photographs / "ILSVRC2012_img_train.tar",
        "manual_dir": photographs,
        "folder": photographs / "files",
        "list": photographs / "list.csv",
        "output": output,
        "shards": args.shards,
        "images_per_shard": -(-images // args.shards),
        "cores": cores,
    }
    words = command(key, python, fields)
    log = args.work / f"{key}.log"
    pattern = CONTESTANTS[key].written or "*"
    usage = measure(words, log, output, pattern, variables(key))
    print(f"{key}: {usage.seconds:.1f} s, {shlex.join(words)}", file=sys.stderr)
    shutil.rmtree(output)
    return usage


def in_turns(args: argparse.Namespace, photographs: Path, images: int) -> dict[str, Any]:
    """Runs all contestants `turns` times each; one that fails is left out of later turns."""
    pythons: dict[str, Path] = {}
    problems: dict[str, str] = {}
    runs: dict[str, list[Usage]] = {key: [] for key in args.only}
    for key in args.only:
        try:
            pythons[key] = environment(args.work / "environments", key)
        except NotInstalledError as error:
            problems[key] = str(error)
    for path in written(photographs, "*"):  # into the page cache
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
    for _ in range(args.turns):
        for key in pythons:
            if key in problems:
                continue
            usage = run(key, pythons[key], photographs, images, args)
            if usage.status:
                last = (args.work / f"{key}.log").read_text(errors="replace").splitlines()[-1:]
                problems[key] = f"failed with status {usage.status}: {''.join(last)}"
            else:
                runs[key].append(usage)
    return {key: figures(key, runs[key], images, problems.get(key)) for key in args.only}


def figures(key: str, runs: list[Usage], images: int, problem: str | None) -> dict[str, Any]:
    """Medians of the turns, or why there are none."""
    contestant = CONTESTANTS[key]
    described = {"name": contestant.name, "requirements": contestant.requirements}
    if problem or not runs:
        return {**described, "problem": problem}
    median = {
        field: statistics.median(getattr(run, field) for run in runs) for field in Usage._fields
    }
    writing = median["writing_seconds"] if contestant.written else 0
    return {
        **described,
        **{field: round(value, 3) for field, value in median.items()},
        "images_per_second": round(images / median["seconds"], 1),
        "images_per_second_while_writing": round(images / writing, 1) if writing else None,
        "turns": [run._asdict() for run in runs],
    }


def table(contestants: dict[str, Any]) -> str:
    """The figures in markdown."""
    lines = [" | ".join(("", *COLUMNS, "")).strip(), "|---" * len(COLUMNS) + "|"]
    for found in contestants.values():
        cells = [found["name"]]
        if "seconds" in found:
            writing = found["images_per_second_while_writing"]
            cells += [f"{found['images_per_second']:,.0f}", f"{writing:,.0f}" if writing else "-"]
            cells.append(f"{found['start_seconds']:.1f}" if writing else "-")
            cells += [f"{found[key]:,.0f}" for key in ("cpu_seconds", "peak_mb", "output_mb")]
        else:
            cells += [str(found["problem"]).replace("|", "/"), *["-"] * (len(COLUMNS) - 2)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def machine() -> dict[str, object]:
    """What the figures depend on."""
    version = [sys.executable, "-m", "imagenet_beam", "--version"]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "machine": f"{platform.machine()}, {platform.platform()}",
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        "version": subprocess.run(version, capture_output=True, text=True).stdout.strip(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path(".benchmarks"))
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--shards", type=int, default=64)
    args = parser.parse_args()
    args.work = args.work.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    photographs = args.photographs.resolve()
    files = list(written(photographs / "files", "*.JPEG"))
    found = {
        **machine(),
        "images": len(files),
        "mean_kb": round(sum(file.stat().st_size for file in files) / len(files) / 1000, 1),
        "shards": args.shards,
        "turns": args.turns,
        "contestants": in_turns(args, photographs, len(files)),
    }
    (args.work / "throughput.json").write_text(json.dumps(found, indent=1))
    print(f"{found['machine']}, {found['cores']} cores, {found['memory_gib']} GiB")
    print(f"{found['version']}, Python {found['python']}")
    print(
        f"{len(files):,} images of {found['mean_kb']} KB, {args.shards} shards, {args.turns} turns"
    )
    print(table(found["contestants"]))
    if any(found["contestants"][key].get("problem") for key in args.only if key.startswith("ours")):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
