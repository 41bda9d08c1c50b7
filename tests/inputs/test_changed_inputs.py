"""Inputs that change between the plan and the job: nothing made of them is taken for done."""

import os
import tarfile

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagenet_beam.pipeline.conversion import prepare
from imagenet_beam.pipeline.convert import ConvertImages
from imagenet_beam.runners.cli import build_parser
from imagenet_beam.runners.request import config_from_flags

FLAGS = ("--train_shards=2", "--resize=none")


def config_of(*flags):
    parser, _ = build_parser()
    return config_from_flags(parser.parse_args(["convert", *map(str, flags)]))


def run(prepared):
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        pipeline | ConvertImages(prepared)


def shards(tree, output):
    return {name: data for name, data in tree(output).items() if name.startswith("train-")}


def overwrite(path, data):
    """Changes a file in place; gives the function that puts everything back, time included."""
    before, state = path.read_bytes(), path.stat()
    path.write_bytes(data)

    def put_back():
        path.write_bytes(before)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))

    return put_back


@pytest.fixture(params=["tar", "tgz", "folder"])
def source(request, make, pictures, tmp_path):
    """The flag of a source, the file in it to change, and other bytes of the same length."""
    files = {f"{n[:9]}/{n}": data for n, data in pictures.train.items()}
    first, second = (f"{n[:9]}/{n}" for n in sorted(pictures.train)[:2])
    if request.param == "folder":
        folder = make.tree(tmp_path / "train", files)
        return f"--train_directory={folder}", folder / first, files[second]
    mode = "w:gz" if request.param == "tgz" else "w"
    path = make.tar(tmp_path / "train.tar", files, mode)
    other = make.tar(tmp_path / "other.tar", {**files, first: files[second]}, mode)
    length = max(path.stat().st_size, other.stat().st_size)
    for archive in (path, other):  # zeros may follow the end of either
        archive.write_bytes(archive.read_bytes().ljust(length, b"\0"))
    return f"--train_archive={path}", path, other.read_bytes()


def test_shards_of_another_archive_are_not_taken_for_done(source, convert, tree, tmp_path):
    flag, path, other = source
    output, undisturbed = tmp_path / "out", tmp_path / "undisturbed"
    assert convert(flag, *FLAGS, f"--output_dir={undisturbed}").status == 0
    config = config_of(flag, *FLAGS, f"--output_dir={output}")
    prepared = prepare(config)
    put_back = overwrite(path, other)
    with pytest.raises(Exception, match="was changed while it was being read"):
        run(prepared)
    assert not (output / "manifest.json").exists()
    put_back()
    again = prepare(config)
    assert again.shards_done == 0
    run(again)
    assert shards(tree, output) == shards(tree, undisturbed)


def test_a_changed_archive_is_noticed_before_a_shard_is_published(official, tree, tmp_path):
    """So that a kill cannot leave a shard of it with a receipt."""
    path = tmp_path / "train.tar"
    path.write_bytes(official.train.read_bytes())
    output = tmp_path / "out"
    prepared = prepare(config_of(f"--train_archive={path}", *FLAGS, f"--output_dir={output}"))
    os.utime(path)
    with pytest.raises(Exception, match=f"{path} was changed while it was being read"):
        run(prepared)
    assert [name for name in tree(output) if "-of-" in name] == []


@pytest.mark.parametrize("flag", ["labels_file", "class_names", "only_files", "bounding_boxes"])
def test_small_files_are_those_of_the_plan(flag, official, pictures, tree, tmp_path):
    wnids = official.expected.wnids
    contents = {
        "labels_file": [f"{wnid}\n" for wnid in wnids],
        "class_names": [f"{wnid}\tword{number}\n" for number, wnid in enumerate(wnids)],
        "only_files": [f"{name}\n" for name in sorted(pictures.train)],
        "bounding_boxes": [f"{n},0.1,0.1,0.9,0.{k + 2}\n" for k, n in enumerate(pictures.train)],
    }
    path, output = tmp_path / "list.txt", tmp_path / "out"
    path.write_text("".join(contents[flag]))
    archive = f"--train_archive={official.train}"
    config = config_of(archive, *FLAGS, f"--{flag}={path}", f"--output_dir={output}")
    prepared = prepare(config)
    path.write_text("".join(reversed(contents[flag])))
    with pytest.raises(Exception, match=f"{path} was changed while it was being read"):
        run(prepared)
    assert [name for name in tree(output) if "-of-" in name] == []


def test_the_order_of_label_files_is_part_of_the_plan(official, convert, tmp_path):
    """Of two files with words for a class, the first one decides."""
    files = []
    for word in ("first", "second"):
        files.append(tmp_path / f"{word}.txt")
        lines = (f"{wnid}\t{word}, {wnid}\n" for wnid in official.expected.wnids)
        files[-1].write_text("".join(lines))
    flags = (f"--train_archive={official.train}", *FLAGS, f"--output_dir={tmp_path / 'out'}")
    one, two = (",".join(map(str, order)) for order in (files, files[::-1]))
    assert convert(*flags, f"--class_names={one}").status == 0
    assert "nothing to do" in convert(*flags, f"--class_names={one}").message
    finished = convert(*flags, f"--class_names={two}")
    assert finished.status == 2
    said = f"holds another conversion: --class_names was {one} and is {two};"
    assert said in finished.message


def test_annotations_may_lie_beside_the_images(official, make, pictures, convert, tmp_path):
    """One folder given twice is two inputs: its images and its boxes."""
    folder = make.tree(tmp_path / "d", {f"{n[:9]}/{n}": b for n, b in pictures.train.items()})
    with tarfile.open(official.train.with_name("ILSVRC2012_bbox_train_v2.tar.gz")) as tar:
        tar.extractall(folder, filter="data")
    flags = (f"--train_directory={folder}", *FLAGS, f"--output_dir={tmp_path / 'out'}")
    done = convert(*flags, f"--bounding_boxes={folder}")
    assert done.status == 0, done.message
    os.utime(next(folder.rglob("*.xml")))
    again = convert(*flags, f"--bounding_boxes={folder}")
    assert f"conversion: {folder} (--bounding_boxes) has changed since; give" in again.message
    os.utime(next(folder.rglob("*.JPEG")))
    again = convert(*flags, f"--bounding_boxes={folder}")
    assert f"conversion: {folder} has changed since; {folder} (--bounding_boxes) " in again.message
