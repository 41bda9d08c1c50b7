"""Random faults of a network, many in one conversion from bucket to bucket."""

from __future__ import annotations

import collections
import functools
import random
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "storage"))

import conversions
import servers
from attack_case import Attack
from conversions import ONE_SPLIT, SECONDS, TWO_SPLITS, Conversion, check_quiet, check_said
from fault_proxy import Fault, FaultProxy
from forks import Ended

RETRIED = (408, 429, 500, 502, 503, 504)
FINAL = (400, 401, 403, 404, 410, 412)

_DOWNLOAD = "/download/"
_RETRY_SECONDS = 10
_DRAWN = re.compile(r"test-[0-9a-f]{32}|(generation|upload_id)=[^&]*")
"""Of a request, what is another one each time: buckets, generations, uploads."""


def missing() -> str:
    """Why there can be no network to disturb; "" if there can."""
    no_generations = "no emulator with generations: run tests/storage/install_fake_gcs.sh"
    return "" if servers.available() == servers.FAKE_GCS else no_generations


class BadNetwork(FaultProxy):
    """A proxy with a fault for each request, or none, drawn from what is asked and how often.

    Requests come from several threads in any order; what becomes of each is the same
    all the same.
    """

    def __init__(self, upstream: str, seed: int, share: float, verify_reads: bool) -> None:
        self._seed, self._share, self._verify_reads = seed, share, verify_reads
        self._asked: collections.Counter[tuple[str, ...]] = collections.Counter()
        self.final = 0.0
        self.struck: list[str] = []
        super().__init__(upstream)

    def pick(self, *request: str) -> Fault | None:
        """The fault of one request."""
        request = tuple(_DRAWN.sub("", part) for part in request)
        with self._lock:
            number = self._asked[request]
            self._asked[request] += 1
            rng = random.Random(f"{self._seed} {request} {number}")  # noqa: S311
            if rng.random() >= self._share:
                return None
            fault = self._fault(rng, number, *request)
            self.struck.append(f"{fault.action} {fault.code}: {' '.join(request)[:150]}")
            return fault

    def _fault(self, rng: random.Random, number: int, method: str, path: str, _: str) -> Fault:
        if rng.random() < self.final:
            return Fault("status", code=rng.choice(FINAL))
        actions = ["status", "reset", "lost_ack", "delay"]
        if method in ("POST", "PUT"):
            actions.append("break_upload")
        if method == "GET":
            actions += ["truncate", "stall", "throttle"]
        if self._verify_reads and path.startswith(_DOWNLOAD):
            actions.append("corrupt")  # else nobody can notice it: docs/failures.md
        at_bytes = rng.randrange(2_000)
        action = rng.choice(actions)
        wait = {"Retry-After": "1"} if rng.random() < 0.2 else {}
        return Fault(
            action,
            code=rng.choice(RETRIED),
            headers=wait,
            # Of two readings that are compared, not the same byte.
            after_bytes=at_bytes + number if action == "corrupt" else at_bytes,
            seconds=rng.uniform(0.01, 0.3),
            bytes_per_second=rng.choice((20_000, 200_000)),
            fin=rng.random() < 0.5,
        )


@functools.cache
def emulator() -> servers.Emulator:
    """The service, one for each process; it ends with it."""
    root = conversions.forks().scratch / "buckets"
    root.mkdir()
    return conversions.at_end.enter_context(servers.running(servers.FAKE_GCS, root))


@functools.cache
def bucket(conversion: Conversion) -> str:
    """A bucket with the archives of a conversion."""
    name = emulator().make_bucket()
    for path in conversions.drawn_archives(conversion).glob("*.tar*"):
        emulator().put(name, f"archives/{path.name}", path.read_bytes())
    return name


@dataclass(frozen=True)
class Remote:
    """A conversion from bucket to bucket, of which the second is its own."""

    conversion: Conversion
    scratch: Path
    output: str = field(default_factory=lambda: emulator().make_bucket())

    def run(self, url: str, *more: str) -> Ended:
        """Runs the command against a service or a proxy."""
        printing = self.scratch.with_suffix(".printed")
        flags = self.conversion.command(
            f"gs://{self.output}", f"--scratch_dir={self.scratch}", *more,
            archives=f"gs://{bucket(self.conversion)}/archives",
        )  # fmt: skip
        self.scratch.mkdir(exist_ok=True)
        environment = {"STORAGE_EMULATOR_HOST": url}
        return conversions.forks().run(flags, printing, **environment)

    def written(self) -> dict[str, bytes]:
        """All objects of its bucket."""
        names = emulator().names(self.output)
        return {name: emulator().get(self.output, name) for name in names}


@functools.cache
def undisturbed(conversion: Conversion) -> dict[str, bytes]:
    """What is written on a good network."""
    remote = Remote(conversion, conversions.forks().scratch / f"{conversion.name}-spool")
    ended = remote.run(f"http://{emulator().address}")
    assert ended.status == 0, ended.printed
    return remote.written()


def strike(remote: Remote, proxy: BadNetwork, *more: str) -> str:
    """Converts over a bad network, and if that fails, once more over a good one."""
    right = undisturbed(remote.conversion)
    ended = remote.run(proxy.url, f"--gcs_retry_seconds={_RETRY_SECONDS}", *more)
    proxy.close()
    print("\n".join([f"status {ended.status}", *proxy.struck, ended.printed]))
    check_quiet(ended)
    assert not list(remote.scratch.iterdir()), "files stay in the scratch folder"
    found = remote.written()
    wrong = [name for name, data in found.items() if data != right[name]]
    assert not wrong, f"other bytes than undisturbed: {wrong}"
    if ended.status == 0:
        assert found.keys() == right.keys()
        return f"survived {'many' if len(proxy.struck) >= 10 else 'some'} faults"
    check_said(ended)
    again = remote.run(f"http://{emulator().address}")
    assert again.status == 0, again.printed
    assert remote.written() == right
    return "told, then resumed"


def bad_network(verify_reads: bool) -> Callable[[random.Random, Path], str]:
    """Cases with or without `--verify_reads`."""
    more = ("--verify_reads",) if verify_reads else ()

    def disturb(rng: random.Random, folder: Path) -> str:
        remote = Remote(rng.choice((ONE_SPLIT, TWO_SPLITS)), folder / "scratch")
        share, seed = rng.choice((0.05, 0.2, 0.4)), rng.randrange(1 << 32)
        proxy = BadNetwork(emulator().address, seed, share, verify_reads)
        proxy.final = rng.choice((0, 0, 0.1))
        return strike(remote, proxy, *more)

    return disturb


ATTACKS = (
    ()
    if missing()
    else (
        Attack("network", bad_network(False), share=2, seconds=SECONDS),
        Attack("network-verify-reads", bad_network(True), share=2, seconds=SECONDS),
    )
)
