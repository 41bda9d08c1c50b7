"""What the progress of a run in this process is told from."""

import gzip

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
