"""Archives that are compressed as a whole, and tars with class folders."""

import gzip
import io

import pytest

from imagenet_beam.transforms.archives.streams import StreamReader, open_stream
from imagenet_beam.transforms.archives.tar_archives import list_stream, stream_images
from imagenet_beam.transforms.errors import InputError


def in_class_folders(pictures, top="train"):
    return {f"{top}/{pictures.wnid(name)}/{name}": data for name, data in pictures.train.items()}


def test_a_tar_of_class_folders_is_read_in_place(make, pictures, official, same, tmp_path):
    archive = make.tar(tmp_path / "a.tar", in_class_folders(pictures))
    message = same("train", f"--train_archive={archive}", f"--devkit={official.devkit}")
    assert "cannot be read in place" not in message


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_compressed_tars_of_class_folders(mode, make, pictures, official, same, tmp_path):
    archive = make.tar(tmp_path / "any.name", in_class_folders(pictures, "."), mode)
    message = same("train", f"--train_archive={archive}", f"--devkit={official.devkit}")
    assert f"{archive} is compressed and cannot be read in place" in message
    assert "--shuffle=images" in message


def test_a_compressed_tar_of_class_tars(official, same, tmp_path):
    archive = tmp_path / "train.tar.gz"
    archive.write_bytes(gzip.compress(official.train.read_bytes(), 1))
    same("train", f"--train_archive={archive}", f"--devkit={official.devkit}")


def test_hugging_face_parts(make, pictures, official, same, tmp_path):
    """Five compressed parts, the wnid at the end of each name, no devkit."""
    names = sorted(pictures.train)
    for part in range(5):
        files = {
            f"{name[:-5]}_{pictures.wnid(name)}.JPEG": pictures.train[name]
            for name in names[part::5]
        }
        make.tar(tmp_path / f"train_images_{part}.tar.gz", files, "w:gz")
    validation = {
        f"{name[:-5]}_{wnid}.JPEG": pictures.validation[name]
        for name, wnid in pictures.truth.items()
    }
    make.tar(tmp_path / "val_images.tar.gz", validation, "w:gz")
    labels = official.train.parent / "labels"
    same(
        "train validation",
        f"--train_archive={tmp_path}/train_images_*.tar.gz",
        f"--validation_archive={tmp_path}/val_images.tar.gz",
        f"--class_names={labels}/imagenet_metadata.txt",
    )


class Counted:
    """A stream that knows how much was asked for at once."""

    def __init__(self, data):
        self.data, self.position, self.largest = data, 0, 0

    def read(self, size):
        self.largest = max(self.largest, size)
        part = self.data[self.position : self.position + size]
        self.position += len(part)
        return part


def test_streaming_gives_each_image_its_own_bytes_in_bounded_reads(pictures, official):
    stream = Counted(official.train.read_bytes())
    found = dict(stream_images(StreamReader(stream, "train"), "train"))
    assert {ref.filename: data for ref, data in found.items()} == pictures.train
    assert {ref.wnid for ref in found} == set(map(pictures.wnid, pictures.train))
    assert stream.largest <= 1 << 20


def test_a_truncated_compressed_archive_is_refused(make, pictures, official, refused, tmp_path):
    archive = make.tar(tmp_path / "t.tgz", in_class_folders(pictures), "w:gz")
    archive.write_bytes(archive.read_bytes()[:-200])
    message = refused(f"--train_archive={archive}", f"--devkit={official.devkit}")
    assert f"{archive} is damaged or truncated" in message
    assert "get the file again" in message


def test_a_damaged_byte_is_found_by_the_checksum_at_the_end(make, pictures, tmp_path):
    data = bytearray(make.tar(tmp_path / "t.tgz", in_class_folders(pictures), "w:gz").read_bytes())
    data[-6] ^= 1  # the CRC-32 of gzip's trailer
    with pytest.raises(InputError, match=r"t is damaged or truncated .*CRC"):
        list(list_stream(open_stream(io.BytesIO(data), "t"), "t"))


def test_a_stream_does_not_go_back():
    stream = StreamReader(Counted(bytes(100_000)), "s")
    stream.read(50_000, 10)
    with pytest.raises(ValueError, match="has gone by"):
        stream.read(10, 10)


def test_an_impossible_length_is_refused_before_it_is_held():
    with pytest.raises(InputError, match="no image has more than"):
        StreamReader(Counted(b""), "s").read(0, 1 << 40)


def test_a_streamed_conversion_resumes_by_shard(
    make, pictures, official, convert, shards, tree, tmp_path
):
    archive = make.tar(tmp_path / "t.tgz", in_class_folders(pictures), "w:gz")
    output = tmp_path / "out"
    flags = [f"--train_archive={archive}", f"--devkit={official.devkit}", "--train_shards=3"]
    flags += ["--resize=none", f"--output_dir={output}"]
    assert convert(*flags).status == 0
    (output / "train-00001-of-00003").unlink()
    kept = output / "train-00002-of-00003"
    before = kept.stat().st_mtime_ns
    again = convert(*flags)
    assert again.status == 0
    assert "2 of 3 shards in" in again.message
    assert kept.stat().st_mtime_ns == before
    written = {name: data for name, data in tree(output).items() if name.startswith("train-")}
    assert written == {name: data for name, data in shards.items() if name.startswith("train-")}


def test_a_mixture_of_plain_and_compressed_archives(make, pictures, official, same, tmp_path):
    items = sorted(in_class_folders(pictures).items())
    plain = make.tar(tmp_path / "a.tar", dict(items[::2]))
    packed = make.zip(tmp_path / "b.zip", dict(items[1::4]))
    streamed = make.tar(tmp_path / "c.tgz", dict(items[3::4]), "w:gz")
    value = f"--train_archive={plain},{packed},{streamed}"
    same("train", value, f"--devkit={official.devkit}")


def test_a_compressed_source_that_is_rejected_image_by_image(
    make, pictures, official, convert, tmp_path
):
    files = in_class_folders(pictures)
    broken = sorted(files)[0]
    files[broken] = files[broken][:40]
    archive = make.tar(tmp_path / "t.tgz", files, "w:gz")
    output = tmp_path / "out"
    done = convert(
        f"--train_archive={archive}",
        f"--devkit={official.devkit}",
        "--train_shards=1",
        f"--output_dir={output}",
    )
    assert done.status == 3
    assert broken.rpartition("/")[2] in (output / "rejects.jsonl").read_text()
