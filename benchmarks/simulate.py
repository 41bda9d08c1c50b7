"""The third table, simulated from measured parts: more cores and more workers than are here.

    python benchmarks/simulate.py
    python benchmarks/simulate.py --inside_us=150 --outside_us=1900 --start_s=2 --listing_us=25

What is measured (from the results of `lock.py` and of the first two tables, or given):

- inside: microseconds of an image inside the interpreter's lock, of which a process has one: what
  `lock.py` finds for encoding, and all processor time of an image with `--resize=none` beyond the
  base. That is too much, as reading, checksums and writing give up the lock in part.
- outside: the rest of an image's processor time with `--resize=shorter:256`, on any core.
- start: seconds of the job with hardly any image. listing: microseconds an image until the first
  shard is begun, in one place, beyond that.

What is assumed:

- A worker is one process with a thread for each core. An image takes the lock a few times for
  equal parts of its time; who waits is served in order, and taking over the lock costs a hand-over.
- Images differ as a lognormal distribution with a sigma of 0.5, workers' speeds with 0.1.
- A core is as fast with all others busy: no shared caches, memory bandwidth or hyper-threads.
- A worker takes one shard after the other; a shard is one worker's from begin to end.
- Storage and network give what is asked for, or at most `--read_mb_s` in all. No runner's own
  costs: no start of machines, no shuffle between them, no failures.
"""

from __future__ import annotations

import argparse
import heapq
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SIMULATED_IMAGES = 20_000
IMAGE_SIGMA, WORKER_SIGMA = 0.5, 0.1
PARTS = {
    "inside_us": "an image inside the interpreter's lock",
    "outside_us": "an image outside of it",
    "start_s": "the job's start and end",
    "listing_us": "an image before the first shard",
    "mean_kb": "an image's file",
}


class Process(NamedTuple):
    """One process: images a second, mean number of busy cores, share of time the lock is held."""

    images_per_second: float
    cores_busy: float
    lock_held: float


def one_process(
    cores: int, inside_us: float, outside_us: float, pieces: int, handover_us: float
) -> Process:
    """Threads, one a core, that take turns inside the lock and work side by side outside."""
    spread = _lognormal(IMAGE_SIGMA, SIMULATED_IMAGES)
    ready = [(0.0, thread, 0, 0.0) for thread in range(cores)]  # when, who, pieces left, scale
    lock_free = held = busy = 0.0
    images = 0
    while ready:
        now, thread, left, scale = heapq.heappop(ready)
        if not left:
            if images == SIMULATED_IMAGES:
                continue  # the end of this thread
            left, scale = pieces, spread[images]
            images += 1
        start = now if now >= lock_free else lock_free + handover_us
        lock_free = start + inside_us / pieces
        held += lock_free - max(start, now)
        after = lock_free + outside_us * scale / pieces
        busy += after - start
        heapq.heappush(ready, (after, thread, left - 1, scale))
        end = after
    return Process(1e6 * images / end, busy / end, held / end)


def job_seconds(workers: int, rate: float, images: int, shards: int) -> float:
    """Until the last shard is published, from when the first is begun."""
    speeds = rate * _lognormal(WORKER_SIGMA, workers)
    free = [(0.0, worker) for worker in range(workers)]
    done = 0.0
    for _ in range(shards):
        now, worker = heapq.heappop(free)
        end = now + images / shards / speeds[worker]
        done = max(done, end)
        heapq.heappush(free, (end, worker))
    return done


def _lognormal(sigma: float, count: int) -> Any:
    values = np.random.default_rng(0).lognormal(0, sigma, count)
    return values / values.mean()


def measured_parts(folder: Path) -> dict[str, float]:
    """The parts from the results of the first two tables, where they are."""
    parts: dict[str, float] = {}
    read = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    if "growth" in read:
        base, *rows = read["growth"]["rows"]
        parts["start_s"] = base["seconds"]
        if rows:
            largest = max(rows, key=lambda row: row["images"])
            seconds = largest["start_seconds"] - base["start_seconds"]
            parts["listing_us"] = max(0.0, 1e6 * seconds / largest["images"])
    if "throughput" in read:
        parts["mean_kb"] = read["throughput"]["mean_kb"]
    if read.keys() >= {"growth", "throughput", "lock"}:
        runs, images = read["throughput"]["contestants"], read["throughput"]["images"]
        cpu_s = [runs.get(key, {}).get("cpu_seconds") for key in ("ours", "ours-none")]
        if all(cpu_s):
            whole, none = (1e6 * (found - base["cpu_seconds"]) / images for found in cpu_s)
            parts["inside_us"] = none + read["lock"]["inside_us"]
            parts["outside_us"] = whole - parts["inside_us"]
    return parts


def tables(args: argparse.Namespace, parts: dict[str, float]) -> str:
    """Both tables in markdown."""
    most = 1000 * args.read_mb_s / parts["mean_kb"] if args.read_mb_s else float("inf")
    before = parts["start_s"] + args.images * parts["listing_us"] / 1e6
    lock = (parts["inside_us"], parts["outside_us"], args.pieces, args.handover_us)
    lines = [
        "| cores, one process | images/s | cores busy | lock held | minutes |",
        "|---" * 5 + "|",
    ]
    for cores in args.cores:
        process = one_process(cores, *lock)
        rate = min(process.images_per_second, most)
        cells = f"{cores} | {rate:,.0f} | {process.cores_busy:.1f} | {process.lock_held:.0%}"
        lines.append(f"| {cells} | {(before + args.images / rate) / 60:,.1f} |")
    lines += ["", f"| workers of {args.worker_cores} cores | minutes | images/s | of linear |"]
    lines.append("|---" * 4 + "|")
    alone = one_process(args.worker_cores, *lock).images_per_second
    for workers in args.workers:
        rate = min(alone, most / workers)
        seconds = before + job_seconds(workers, rate, args.images, args.shards)
        linear = args.images / (workers * alone) / seconds
        lines.append(
            f"| {workers:,} | {seconds / 60:,.1f} | {args.images / seconds:,.0f} | {linear:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, text in PARTS.items():
        parser.add_argument(f"--{name}", type=float, help=f"{text}; else from the results")
    parser.add_argument("--results", type=Path, default=Path(".benchmarks"))
    parser.add_argument("--images", type=int, default=1_281_167)
    parser.add_argument("--shards", type=int, default=1024)
    parser.add_argument("--cores", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 30, 100, 300, 1000])
    parser.add_argument("--worker_cores", type=int, default=4)
    parser.add_argument("--pieces", type=int, default=4, help="times that an image takes the lock")
    parser.add_argument("--handover_us", type=float, default=10, help="of a lock waited for")
    parser.add_argument("--read_mb_s", type=float, help="what the storage gives in all")
    args = parser.parse_args()
    parts = measured_parts(args.results)
    parts |= {name: value for name in PARTS if (value := getattr(args, name)) is not None}
    needed = PARTS.keys() - ({"mean_kb"} if not args.read_mb_s else set())
    if missing := sorted(needed - parts.keys()):
        raise SystemExit(f"neither measured nor given: {', '.join(missing)}")
    if parts["inside_us"] <= 0 or parts["outside_us"] <= 0:
        raise SystemExit(f"too few images to tell the parts apart: {parts}")
    print(__doc__[__doc__.index("What is measured") :])
    print(", ".join(f"{name} {value:,.1f}" for name, value in sorted(parts.items())))
    print(f"{args.images:,} images, {args.shards:,} shards, pieces {args.pieces}, ", end="")
    print(f"hand-over {args.handover_us:g} us\n\n{tables(args, parts)}")
    found = {"parts": parts, "options": vars(args) | {"results": str(args.results)}}
    found["tables"] = tables(args, parts).splitlines()
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / "simulation.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
