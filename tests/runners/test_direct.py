"""What the progress of a run in this process is told from."""

import gzip
import subprocess
import sys

import pytest

from imagenet_beam.pipeline.conversion import prepare
from imagenet_beam.runners.cli import build_parser
from imagenet_beam.runners.direct import _snapshot
from imagenet_beam.runners.progress import ASSIGNING, LISTING, Snapshot
from imagenet_beam.runners.request import config_from_flags
from imagenet_beam.transforms.tally import tally


def prepared(flags, out):
    _, parser = build_parser()
    return prepare(config_from_flags(parser.parse_args([*flags, f"--output_dir={out}"])))


def test_the_total_is_what_is_converted_of_what_was_listed(clean, convert, tmp_path):
    flags = [f"--train_archive={clean.train}", "--max_images_per_class=2", "--train_shards=3"]
    before = prepared(flags, tmp_path / "other")
    assert convert(*flags, f"--output_dir={tmp_path / 'out'}").status == 0
    found = _snapshot(before)
    size_bytes = sum(path.stat().st_size for path in (tmp_path / "out").glob("*-of-*"))
    assert found == Snapshot(8, 8, 8, size_bytes, 0, 3, shards_total=3, step=ASSIGNING)


def test_images_that_are_encoded_before_the_shuffle_are_counted_then(clean, convert, tmp_path):
    packed = tmp_path / "train.tar.gz"
    packed.write_bytes(gzip.compress(clean.train.read_bytes()))
    flags = [f"--train_archive={packed}"]
    before = prepared(flags, tmp_path / "other")
    assert convert(*flags, f"--output_dir={tmp_path / 'out'}").status == 0
    assert (tally.selected["train"], tally.encoded) == (24, 24)
    tally.reset()
    assert _snapshot(before) == Snapshot(0, 0, 0, 0, 0, 0, step=LISTING)
    tally.selected["train"], tally.encoded, tally.is_assigning = 24, 5, True
    found = _snapshot(before)
    assert (found.images, found.total, found.shards_total) == (5, 24, 1)


FREED = """
import ctypes, sys
from imagenet_beam.runners.direct import _give_back_what_is_freed

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd".split()]
    _fields_ += [(f"more_{number}", ctypes.c_size_t) for number in range(5)]

libc = ctypes.CDLL(None)
if not hasattr(libc, "mallinfo2"):
    sys.exit("no mallinfo2")
libc.mallinfo2.restype = Info
if sys.argv[1] == "with":
    _give_back_what_is_freed()
for _ in range(3):  # glibc takes the first from the system, and keeps it
    bytes(12 << 20)
before = libc.mallinfo2().hblkhd
held = bytes(12 << 20)
print(libc.mallinfo2().hblkhd - before >= 12 << 20)
"""


@pytest.mark.parametrize(("how", "is_apart"), [("with", "True"), ("without", "False")])
def test_large_buffers_are_given_back_to_the_system(how, is_apart):
    done = subprocess.run([sys.executable, "-c", FREED, how], capture_output=True, text=True)
    if "no mallinfo2" in done.stderr:
        pytest.skip("this C library does not tell how it holds memory")
    assert done.stdout.strip() == is_apart, done.stderr
