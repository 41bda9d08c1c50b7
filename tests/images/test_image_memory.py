"""What memory images take, one alone and in many threads."""

import platform
import runpy
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from imagenet_beam.transforms.images import encode as images
from imagenet_beam.transforms.images.encode import encode_image
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.images.pixel_budget import PixelBudget
from imagenet_beam.transforms.images.resize import Resize

hard = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("hard_images.py"))))

PEAK = """
import sys
from pathlib import Path
from imagenet_beam.transforms.images.encode import encode_image
from imagenet_beam.transforms.images.options import ImageOptions

def peak_bytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

before = peak_bytes()
encode_image(Path(sys.argv[1]).read_bytes(), ImageOptions())
print(peak_bytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_memory_of_a_decompression_bomb(mode: str, tmp_path: Path) -> None:
    """Some kilobytes with 16 million pixels; decoded they have 4 bytes each."""
    tag = {"transparency": 0} if mode == "P" else {}
    path = tmp_path / "bomb.png"
    path.write_bytes(hard.save(Image.new(mode, (4000, 4000)), "PNG", **tag))
    run = subprocess.run(
        [sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 10 * 4000**2


KEPT = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from imagenet_beam.transforms.images.encode import encode_image
from imagenet_beam.transforms.images.options import ImageOptions

def resident_bytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024

before, data = resident_bytes(), Path(sys.argv[1]).read_bytes()
with ThreadPoolExecutor(3) as pool:
    list(pool.map(lambda data: encode_image(data, ImageOptions()), [data] * 3))
    print(resident_bytes() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept by glibc")
def test_no_thread_keeps_the_memory_of_a_large_image(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(hard.save(Image.new("RGBA", (7000, 7000)), "PNG"))
    run = subprocess.run(
        [sys.executable, "-c", KEPT, path], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 4 * 7000**2


def test_large_images_wait_for_room() -> None:
    budget, order = PixelBudget(max_pixels=100, small_pixels=10), []
    entered, leave = threading.Event(), threading.Event()

    def hold(pixels: int) -> None:
        with budget.room_for(pixels):
            entered.set()
            leave.wait(30)
            order.append("first")

    def take(pixels: int) -> None:
        with budget.room_for(pixels):
            order.append("second")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(hold, 1000)  # larger than all, so alone
        assert entered.wait(30)
        with budget.room_for(10):  # small ones do not wait
            second = pool.submit(take, 11)
        assert not second.done()
        leave.set()
        first.result(30)
        second.result(30)
    assert order == ["first", "second"]


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (hard.save(Image.new("RGBA", (40, 30)), "PNG"), 1200),
        (hard.save(Image.new("RGB", (40, 32)), "JPEG"), 320),  # libjpeg halves it
        (hard.save(Image.new("RGB", (40, 32)), "JPEG", progressive=True), 1280),
    ],
)
def test_what_decoding_holds_is_counted(
    data: bytes, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []

    class Budget(PixelBudget):
        def room_for(self, pixels: int) -> Any:
            counted.append(pixels)
            return super().room_for(pixels)

    monkeypatch.setattr(images, "_BUDGET", Budget(100, 10))
    encode_image(data, ImageOptions(Resize.parse("shorter:16")))
    assert counted == [pixels]
