"""Images that exceed a TaskManager's memory several times, whichever way they are shuffled."""

import io
import threading
from pathlib import Path

import pytest
from flink_tools import TASK_MANAGER_MIB, flink_flags, forks, workers, write_train_archive
from PIL import Image

pytestmark = pytest.mark.slow

MIB = 1 << 20
IMAGE_BYTES = 3 * 65_536
SHARDS = 1024
"""A shard's images pass through the heap as one value, and several times at that."""
TIMES = 2.5
"""How often the images exceed the TaskManager's memory, of which less than 200 MiB is heap."""


def padded_jpeg() -> bytes:
    """A small picture in a large file: comments cost memory and transport, not time."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 60)).save(buffer, "JPEG")
    data = buffer.getvalue()
    comment = b"\xff\xfe\xff\xff" + bytes(65_533)
    return data[:2] + comment * (IMAGE_BYTES // 65_536) + data[2:]


@pytest.fixture(scope="module")
def large_archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "ILSVRC2012_img_train.tar"
    data = padded_jpeg()
    images = int(TIMES * TASK_MANAGER_MIB * MIB / len(data) / 8)
    write_train_archive(path, data, classes=8, images=images)
    assert path.stat().st_size > TIMES * TASK_MANAGER_MIB * MIB
    return path


class PeakMemory(threading.Thread):
    """The most that a process, and the largest of its workers, held."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process = process
        self.task_manager_mib = self.worker_mib = 0
        self._end = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self._end.set()
        self.join()

    def run(self) -> None:
        while not self._end.wait(1):
            self.task_manager_mib = max(self.task_manager_mib, resident_mib(self._process))
            working = forks(workers(self._process))
            self.worker_mib = max([self.worker_mib, *map(resident_mib, working)])


def resident_mib(process: int) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:  # it has ended
        return 0
    lines = [line.split() for line in status.splitlines()]
    return max((int(line[1]) // 1024 for line in lines if line[0] == "VmRSS:"), default=0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see memory")
@pytest.mark.timeout(900)  # 1.6 GB through one small TaskManager, beside whatever else runs
@pytest.mark.parametrize("shuffle", ["references", "images"])
def test_memory_does_not_grow_with_the_images(
    shuffle, large_archive, small_cluster, start, tmp_path
):
    out = tmp_path / "out"
    args = [
        "convert",
        f"--train_archive={large_archive}",
        f"--output_dir={out}",
        f"--train_shards={SHARDS}",
        "--resize=none",
        "--expect=any",
        f"--shuffle={shuffle}",
        *flink_flags(small_cluster),
    ]
    with PeakMemory(small_cluster.processes()["taskmanager-1"]) as peak:
        running = start(*args)
        running.wait_for(lambda: False, seconds=800)
        finished = running.finish()
    assert finished.status == 0, finished.message
    written = sum(path.stat().st_size for path in out.glob(f"train-*-of-{SHARDS:05}"))
    assert written > TIMES * TASK_MANAGER_MIB * MIB
    assert 0 < peak.task_manager_mib <= TASK_MANAGER_MIB
    assert 0 < peak.worker_mib < 768
    for path in out.glob("train-*"):  # the folder of a test is kept for a while
        path.unlink()
