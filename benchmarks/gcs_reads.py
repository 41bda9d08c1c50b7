"""Images/s from gs:// by the number of reads in flight, and the cost of listing.

A storage emulator stands behind a relay that delays each request and limits each
connection, so that the numbers say how well waiting is hidden, not how fast Google
is. Emulator and relay run on this machine, where a bucket would not: so both sides
compute in one thread, and a second core is left for them (--threads=1).

    python benchmarks/gcs_reads.py
    python benchmarks/gcs_reads.py --rounds=9 --reads 1 4 16 64 --skip=listing
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import socket
import statistics
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "storage"))

import servers

from imagenet_beam.transforms.archives.tar import walk_tar
from imagenet_beam.transforms.elements import ImageRef, LabeledImage
from imagenet_beam.transforms.encode_images import ImageEncoder
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.resize import Resize
from imagenet_beam.transforms.list_images import LISTING_THREADS, list_images, split_source
from imagenet_beam.transforms.storage.files import Storage, read_ahead_bytes
from imagenet_beam.transforms.threads.chain_ahead import ChainAhead
from imagenet_beam.transforms.threads.ordered import OrderedPool

KIB, MIB = 1 << 10, 1 << 20
_PICTURES = 16
_TICKS = os.sysconf("SC_CLK_TCK")
_BLOCKS = (4 * KIB, 64 * KIB, 256 * KIB, 1 * MIB, 4 * MIB, 8 * MIB, 16 * MIB)


def relay(port: int, upstream: str, delay_seconds: float, bytes_per_second: float) -> None:
    """Passes connections on; each request waits, each answer is held to a rate."""
    host, upstream_port = upstream.split(":")
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        while True:
            client, _ = listener.accept()
            server = socket.create_connection((host, int(upstream_port)))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_pass, args=(client, server, delay_seconds, 0.0)).start()
            threading.Thread(target=_pass, args=(server, client, 0.0, bytes_per_second)).start()


def _pass(source: socket.socket, target: socket.socket, delay: float, rate: float) -> None:
    while data := source.recv(MIB):
        time.sleep(delay + (len(data) / rate if rate else 0.0))
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


def make_archive(path: Path, members: int, seed: int = 0) -> None:
    """A flat tar of JPEGs of about the size of ImageNet's, 110 KB."""
    pictures = [_jpeg(np.random.default_rng([seed, i])) for i in range(_PICTURES)]
    with tarfile.open(path, "w") as archive:
        for i in range(members):
            info = tarfile.TarInfo(f"ILSVRC2012_val_{i + 1:08}.JPEG")
            info.size = len(pictures[i % _PICTURES])
            archive.addfile(info, io.BytesIO(pictures[i % _PICTURES]))
    print(f"{members} images, {path.stat().st_size / members / 1000:.0f} KB each")


def _jpeg(random: np.random.Generator) -> bytes:
    coarse = Image.fromarray(random.integers(0, 256, (94, 125, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((500, 375), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=94)
    return buffer.getvalue()


class Run(NamedTuple):
    """One measurement: what a watch shows, and what the job and its servers computed."""

    images_per_second: float
    cpu_ms_per_image: float
    server_cpu_ms_per_image: float


def server_cpu_seconds() -> float:
    """Processor time of the emulator and the relay, the children of this process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in children]
    return sum(int(user) + int(kernel) for *_, user, kernel in (f[:13] for f in fields)) / _TICKS


def convert(url: str, images: list[LabeledImage], threads: int, read_threads: int) -> Run:
    """What the step that writes shards does, without the writing."""
    encoder = ImageEncoder(ImageOptions(resize=Resize.parse("shorter:256")))
    pool = OrderedPool(
        encoder.load, encoder.finish, encoder.size_bytes, threads, read_threads, 256 * MIB
    )
    there = [image._replace(ref=image.ref._replace(archive=url)) for image in images]
    if read_threads:  # a turn takes seconds, not minutes
        there = there[: 80 * read_threads]
    list(pool.map(there[: max(4, read_threads)]))  # connections and caches
    started, started_cpu, servers_cpu = (
        time.perf_counter(),
        time.process_time(),
        server_cpu_seconds(),
    )
    list(pool.map(there))
    seconds = time.perf_counter() - started
    cpu_ms = 1000 * (time.process_time() - started_cpu)
    servers_ms = 1000 * (server_cpu_seconds() - servers_cpu)
    pool.close()
    return Run(len(there) / seconds, cpu_ms / len(there), servers_ms / len(there))


def compare_reads(archive: Path, url: str, reads: list[int], rounds: int, threads: int = 1) -> None:
    """Runs local and remote in turn, so that other load on the machine falls on both."""
    members = list(walk_tar(Storage().open_ranges(str(archive))))
    images = [
        LabeledImage(ImageRef(str(archive), m.offset_bytes, m.size_bytes, m.name), 1, "", "")
        for m in members
    ]
    np.random.default_rng(0).shuffle(images)
    found: dict[int, list[Run]] = {0: [], **{count: [] for count in reads}}
    for _ in range(rounds):
        for count, runs in found.items():
            runs.append(convert(url if count else str(archive), images, threads, count))
    local = found.pop(0)
    print(f"local disk:                {_summary(local)}")
    for count, runs in found.items():
        share = statistics.median(
            run.images_per_second / base.images_per_second
            for run, base in zip(runs, local, strict=True)
        )
        print(f"gs://, {count:2} reads in flight: {_summary(runs)}; {share:.0%} of the local disk")


def _summary(runs: list[Run]) -> str:
    rates = [run.images_per_second for run in runs]
    cpu_ms = statistics.median(run.cpu_ms_per_image for run in runs)
    server_ms = statistics.median(run.server_cpu_ms_per_image for run in runs)
    return (
        f"{statistics.median(rates):4.0f} images/s ({min(rates):.0f} to {max(rates):.0f}), "
        f"{cpu_ms:.2f} ms of processor an image, its servers {server_ms:.2f} ms"
    )


def compare_blocks(url: str, what: str) -> None:
    """Lists with blocks of one length, then with blocks that grow, as the job does."""
    reader = Storage().open_ranges(url)
    for block_bytes in _BLOCKS:
        ms = _ms_a_member(walk_tar(reader, block_bytes=block_bytes))
        print(f"{what}, blocks of {block_bytes // KIB:5} KiB: {ms:7.2f} ms a member")
    ms = _ms_a_member(walk_tar(reader, max_block_bytes=read_ahead_bytes(url)))
    print(f"{what}, growing blocks:       {ms:7.2f} ms a member")


def _ms_a_member(members: Iterator[object]) -> float:
    started = time.perf_counter()
    count = sum(1 for _ in _within_seconds(members, 5.0))
    return 1000 * (time.perf_counter() - started) / count


def list_class_tars(url: str) -> None:
    """Lists all class tars, first one after the other, then as many at once as the job does."""
    storage = Storage()
    spans = list(split_source(url, storage, "tar"))
    for threads in (1, LISTING_THREADS):
        chain: ChainAhead[None, ImageRef] = ChainAhead(threads)
        started = time.perf_counter()
        chunks = [chunk for span in spans for chunk in chain.add(None, list_images(span, storage))]
        images = sum(len(refs) for _, refs in [*chunks, *chain.drain()])
        ms = 1000 * (time.perf_counter() - started) / images
        chain.close()
        print(f"{len(spans)} class tars, {threads:2} at once: {ms:7.2f} ms an image")


def _within_seconds(items: Iterator[object], seconds: float) -> Iterator[object]:
    ends = time.perf_counter() + seconds
    for item in items:
        yield item
        if time.perf_counter() > ends:
            return


def make_class_tars(path: Path, flat: Path) -> None:
    """32 class tars of 150 images."""
    size_bytes = flat.stat().st_size
    with tarfile.open(path, "w") as archive, flat.open("rb") as images:
        for i in range(32):
            images.seek(0)
            info = tarfile.TarInfo(f"n{i:08}.tar")
            info.size = size_bytes
            archive.addfile(info, images)


def make_outer(path: Path) -> None:
    """Members too large to be read through: 20 of 16 MiB."""
    with tarfile.open(path, "w") as archive:
        for i in range(20):
            info = tarfile.TarInfo(f"n{i:08}.tar")
            info.size = 16 * MIB
            archive.addfile(info, io.BytesIO(bytes(info.size)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--delay_ms", type=float, default=30.0)
    parser.add_argument("--connection_mb_per_second", type=float, default=100.0)
    parser.add_argument("--images", type=int, default=1251)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reads", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--skip", choices=["reads", "listing"], default="")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.running(servers.FAKE_GCS, Path(folder, "storage")) as emulator,
    ):
        port = servers.free_port()
        rate = options.connection_mb_per_second * 1e6
        process = multiprocessing.get_context("spawn").Process(
            target=relay,
            args=(port, emulator.address, options.delay_ms / 1000, rate),
            daemon=True,
        )
        process.start()
        servers.wait_for_port(port)
        os.environ["STORAGE_EMULATOR_HOST"] = f"http://127.0.0.1:{port}"
        bucket = emulator.make_bucket()
        names = ("flat.tar", "outer.tar", "class.tar", "train.tar")
        flat, outer, one, train = (Path(folder, name) for name in names)
        make_archive(flat, options.images)
        make_outer(outer)
        make_archive(one, 150)
        make_class_tars(train, one)
        for path in (flat, outer, train):
            emulator.put(bucket, path.name, path.read_bytes())
        if options.skip != "reads":
            url = f"gs://{bucket}/flat.tar"
            compare_reads(flat, url, options.reads, options.rounds, options.threads)
        if options.skip != "listing":
            compare_blocks(f"gs://{bucket}/flat.tar", "flat tar")
            compare_blocks(f"gs://{bucket}/outer.tar", "tar of 16 MiB members")
            list_class_tars(f"gs://{bucket}/train.tar")
        process.kill()


if __name__ == "__main__":
    main()
