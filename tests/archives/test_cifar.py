"""CIFAR archives in both forms, and the pickles in one of them.

The pickles are made as Python 2 made those of the published archives, but of any values.
"""

import gzip
import io
import os
import pickle
import struct
import tarfile
from functools import partial
from typing import ClassVar

import numpy as np
import pytest

from imagenet_beam.transforms.archives.cifar import (
    CIFAR10,
    CIFAR100,
    CifarImage,
    read_cifar_images,
)
from imagenet_beam.transforms.archives.plain_pickle import Uint8Array, load_plain_pickle
from imagenet_beam.transforms.errors import InputError

gz = partial(gzip.compress, mtime=0)  # test names must not hold the time
NAMES = [f"class{label}" for label in range(10)]
BATCHES = [*CIFAR10.batches["train"], *CIFAR10.batches["test"]]


class Python2Pickler(pickle._Pickler):
    """Writes texts as byte strings, as Python 2 did; NumPy's modules get their old names."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_text(self, value):
        data = value if isinstance(value, bytes) else value.encode()
        size = b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + struct.pack("<i", len(data))
        self.write(size + data)  # type: ignore[attr-defined]
        self.memoize(value)  # type: ignore[attr-defined]

    dispatch[bytes] = dispatch[str] = save_text


def dump(value):
    out = io.BytesIO()
    Python2Pickler(out, 2).dump(value)
    return out.getvalue().replace(b"numpy._core.", b"numpy.core.")


def pixels_of(batch, rows):
    seed = BATCHES.index(batch) if batch in BATCHES else 99
    return np.random.default_rng(seed).integers(0, 256, (rows, 3072), np.uint8)


def python_batch(batch, rows=3, pickled=dump, **changes):
    contents = {
        b"batch_label": b"x",
        b"labels": [(row * 3 + 1) % 10 for row in range(rows)],
        b"data": pixels_of(batch, rows),
        b"filenames": [f"{batch}_s_{row:06d}.png".encode() for row in range(rows)],
    }
    contents.update({key.encode(): value for key, value in changes.items()})
    return pickled(contents)


def binary_batch(batch, rows=3, label=None):
    pixels = pixels_of(batch, rows)
    return b"".join(
        bytes([(row * 3 + 1) % 10 if label is None else label]) + pixels[row].tobytes()
        for row in range(rows)
    )


def python_members(**kwargs):
    meta = dump({b"label_names": NAMES, b"num_vis": 3072})
    # The order of the official archive.
    order = ["data_batch_4", "test_batch", "data_batch_3", "batches.meta",
             "data_batch_2", "data_batch_5", "data_batch_1"]  # fmt: skip
    return {
        f"cifar-10-batches-py/{name}": meta if "meta" in name else python_batch(name, **kwargs)
        for name in order
    }


def binary_members(**kwargs):
    members = {f"cifar-10-batches-bin/{batch}.bin": binary_batch(batch, **kwargs)
               for batch in BATCHES}  # fmt: skip
    return {
        "cifar-10-batches-bin/batches.meta.txt": ("\n".join(NAMES) + "\n\n").encode(),
        **members,
    }


def tar_of(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def tgz(members):
    return gz(tar_of(members))


class Pipe:
    """A stream that can neither seek nor tell, and gives little at a time."""

    def __init__(self, data):
        self._file = io.BytesIO(data)

    def read(self, size):
        return self._file.read(min(size, 1000))


def short_id(value):
    return value[:30] if isinstance(value, str) else "data"


def images_of(data, split="train", **kwargs):
    return list(read_cifar_images(Pipe(data), "cifar.tgz", split, **kwargs))


def test_the_python_archive():
    images = images_of(tgz(python_members()))
    assert [image.batch for image in images[::3]] == [f"data_batch_{n}" for n in (4, 3, 2, 5, 1)]
    pixels = pixels_of("data_batch_3", 3)[2].tobytes()
    expected = CifarImage("data_batch_3_s_000002.png", 7, pixels, "data_batch_3", 2)
    assert images[5] == expected


@pytest.mark.parametrize("protocol", range(6))
def test_the_pickles_of_python_3_are_refused(protocol):
    members = python_members(pickled=partial(pickle.dumps, protocol=protocol))
    with pytest.raises(InputError, match=r"data_batch_4 is a pickle that (uses|names) .*Python 2"):
        images_of(tgz(members))


@pytest.mark.parametrize("pack", [tgz, tar_of], ids=["gzip", "unpacked-by-a-browser"])
def test_the_binary_archive(pack):
    archive = pack(binary_members())
    images = images_of(archive, "test")
    assert [image.label for image in images] == [1, 4, 7]
    pixels = pixels_of("test_batch", 3)[1].tobytes()
    assert images[1] == CifarImage("test_batch_00001.png", 4, pixels, "test_batch", 1)
    assert len(images_of(archive)) == 15


def test_both_forms_hold_the_same_pixels():
    python, binary = (
        sorted((image.batch, image.row, image.label, image.pixels) for image in images_of(archive))
        for archive in (tgz(python_members()), tgz(binary_members()))
    )
    assert python == binary


def test_cifar100_keeps_the_fine_labels():
    row = bytes([3, 71]) + bytes(range(256)) * 12
    (image,) = images_of(tgz({"cifar-100-binary/test.bin": row}), "test", variant=CIFAR100)
    assert (image.label, image.pixels) == (71, row[2:])
    batch = python_batch("train", coarse_labels=[1, 2, 3], fine_labels=[99, 0, 50])
    images = images_of(tgz({"cifar-100-python/train": batch}), variant=CIFAR100)
    assert [image.label for image in images] == [99, 0, 50]


def test_a_python_2_pickle_as_the_official_one_is():
    # {'labels': [3], 'data': array, 'filenames': ['a.png']} with protocol 2's byte strings.
    data = bytes(range(256)) * 12
    state = (
        b"(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<i", 3072) + data + b"tb"
    )
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R" + state
    pickled = (
        b"\x80\x02}q\x01(U\x06labels]K\x03aU\x04data" + array + b"U\x09filenames]U\x05a.pngau."
    )
    assert (pickle.loads(pickled, encoding="bytes")[b"data"] == np.frombuffer(data, np.uint8)).all()  # noqa: S301
    (image,) = images_of(tgz({"test_batch": pickled}), "test")
    assert image == CifarImage("a.png", 3, data, "test_batch", 0)


def endless():
    """A value of 2**60 parts, which takes only references to write but forever to print."""
    value = []
    for _ in range(60):
        value = [value, value]
    return value


def changed(**changes):
    members = python_members()
    members["cifar-10-batches-py/data_batch_2"] = python_batch("data_batch_2", **changes)
    return members


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"readme.html": b""}, r"lacks data_batch_1, data_batch_2"),
        ({"cifar-100-python/train": b""}, r"accepted are the python and the binary .*CIFAR-10"),
        (changed(labels=[1, 2, 10]), r"data_batch_2 gives image 2 the label 10; .* 0 to 9"),
        (changed(labels=[1, 2, -1]), r"the label -1"),
        (changed(labels=[1, 2, True]), r"the label of type bool"),
        (changed(labels=[1, 2, 1 << 99_999]), r"uses the instruction LONG4"),
        (changed(labels=[1, 2, endless()]), r"the label of type list"),
        (changed(labels=[1, 2]), r"3 images, 2 labels and 3 file names"),
        (changed(labels=7), r"no list under 'labels'"),
        (changed(filenames=["a", "b", "../c"]), r"'../c', which is not a plain file name"),
        (changed(filenames=["a", "b", ["c"]]), r"list where a name belongs"),
        (changed(filenames=["a", "b", b"\xff"]), r"not UTF-8"),
        (changed(data=np.zeros((3, 3071), np.uint8)), r"one row of 3,072 unsigned bytes"),
        (changed(data=b"x"), r"no array of images"),
        (changed(data=np.zeros((3, 3072), np.int8)), r"other than unsigned bytes"),
        (changed(data=np.zeros((3, 3072), object)), r"other than unsigned bytes"),
        (changed(data=np.zeros((3, 3072), np.uint8, order="F")), r"in C order"),
        (binary_members() | {"x/data_batch_3.bin": b""}, r"holds the batch data_batch_3 twice"),
        (binary_members(label=10), r"label 10"),
        ({"data_batch_1.bin": bytes(3074)}, r"not a whole number of images of 3,073 bytes"),
        ({"data_batch_1.bin": b""}, r"data_batch_1 has 0 images"),
        ({"../data_batch_1": b""}, r"'../data_batch_1', which leads out of the archive"),
        ({"/etc/passwd": b""}, r"leads out of the archive"),
    ],
    ids=short_id,
)
def test_bad_archives(members, message):
    with pytest.raises(InputError, match=message):
        images_of(tgz(members))


def test_an_official_batch_must_be_complete():
    short = tgz({"test_batch.bin": bytes(9_999 * 3073)})
    with pytest.raises(InputError, match=r"test_batch has 9,999 images; accepted are 10,000"):
        images_of(short, "test")
    long = tgz({"test_batch.bin": bytes(10_001 * 3073)})
    with pytest.raises(InputError, match=r"test_batch has 30,733,073 bytes"):
        images_of(long, "test")
    assert len(images_of(tgz({"test_batch.bin": bytes(10_000 * 3073)}), "test")) == 10_000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<!DOCTYPE html><html>Not found</html>" * 30, r"cifar.tgz holds an HTML .* not a tar"),
        (b"", r"cifar.tgz is empty"),
        (tgz(binary_members())[:20_000], r"cifar.tgz is damaged or truncated"),
        (tgz(binary_members())[:-8] + bytes(8), r"cifar.tgz is damaged or truncated .*CRC"),
        (tar_of(binary_members())[:20_000], r"cifar.tgz is truncated"),
        (tar_of(binary_members())[:-10_240], r"cifar.tgz is truncated"),
        (tar_of(binary_members()) * 2, r"it goes on after the blocks of zeros"),
        (gz(b"not a tar" * 100), r"cifar.tgz holds a file that starts with .*, not a tar archive"),
    ],
    ids=short_id,
)
def test_files_that_are_no_archive(data, message):
    with pytest.raises(InputError, match=message):
        images_of(data)


def test_an_extended_header_of_gigabytes_is_refused():
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 33
    bomb = gz(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    with pytest.raises(InputError, match=r"a header of more than 1,048,576 bytes"):
        images_of(bomb)


def pax_headed(records, body):
    """A member with an extended header, as its only one."""
    member = tarfile.TarInfo("data_batch_1")
    member.size = len(body)
    member.pax_headers = records
    return gz(member.tobuf(tarfile.PAX_FORMAT) + body + bytes(-len(body) % 512 + 1024))


@pytest.mark.parametrize(
    ("records", "body"),
    [
        ({"GNU.sparse.map": "0,x"}, b""),
        ({"GNU.sparse.map": "0,1", "GNU.sparse.size": "-"}, b""),
        ({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, b"x\n" * 256),
        ({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, b"7\n" + b"1" * 510),
        ({"size": "-1048576"}, b""),
    ],
    ids=["map", "size", "no count", "no end", "backwards"],
)
def test_damaged_extended_headers_are_named(records, body):
    with pytest.raises(InputError, match=r"cifar.tgz (is truncated or|has a) damaged .*at byte 0"):
        images_of(pax_headed(records, body))


class Evil:
    def __init__(self, function, *arguments):
        self._call = (function, arguments)

    def __reduce__(self):
        return self._call


@pytest.mark.parametrize("protocol", [*range(6), "python 2"])
@pytest.mark.parametrize("function", [os.system, eval, np.load, getattr, bytearray])
def test_a_pickle_that_calls_is_refused_and_not_run(protocol, function, tmp_path):
    mark = tmp_path / "ran"
    value = {b"data": Evil(function, f"touch {mark}")}
    evil = dump(value) if protocol == "python 2" else pickle.dumps(value, protocol=protocol)
    message = "names the function or class" if protocol == "python 2" else "(names|uses) the "
    with pytest.raises(InputError, match=f"batch is a pickle that {message}"):
        load_plain_pickle(evil, "batch")
    assert not mark.exists()


def links(kind, name="data_batch_1"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "data_batch_2"
    return gz(info.tobuf(tarfile.GNU_FORMAT) + tar_of(binary_members()))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_batch_that_is_a_link_is_refused(kind):
    with pytest.raises(InputError, match=r"cifar.tgz holds 'data_batch_1' as a link"):
        images_of(links(kind))
    assert len(images_of(links(kind, "readme.html"))) == 15


def test_the_member_of_an_archive_is_named_when_its_pickle_is_evil():
    members = changed(data=Evil(os.system, "false"))
    with pytest.raises(InputError, match=r"cifar.tgz: data_batch_2 is a pickle that names"):
        images_of(tgz(members))


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"", "damaged pickle"),
        (b"\x80\x02.", "damaged pickle"),
        (b"\x80\x02}q\x01(", "damaged pickle"),
        (b"<html>", "damaged pickle"),
        (b"\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "damaged pickle"),
        (b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.", "damaged pickle"),
        (b"K\x01r\xff\xff\xff\x7f0.", "the instruction POP"),
        (b"cnumpy\nndarray\n(tR.", "calls ndarray"),
        (b"K\x01(tR.", "calls something"),
        (b"Pos.system\n.", "the instruction PERSID"),
        (b"\x82\x01.", "the instruction EXT1"),
        (b"(cos\nsystem\no.", "names the function or class os.system"),
        (b"(ios\nsystem\n.", "the instruction INST"),
        (b"}(K\x01\x85K\x02u.", "a dict key that is not text"),
        (b"}(U\x01au.", "damaged pickle"),
        (pickle.dumps(endless(), 4)[:-1] + b"\x8c\x01a\x93.", "the instruction FRAME"),
        (b"I1\n.", "the instruction INT"),
        (b"\x80\x02\x8a\x01\x05.", "the instruction LONG1"),
        (b"\x80\x02).", "the instruction EMPTY_TUPLE"),
        (b"\x80\x02X\x01\x00\x00\x00a.", "the instruction BINUNICODE"),
        (b"\x80\x03C\x01a.", "the instruction SHORT_BINBYTES"),
        (b"cnumpy._core.multiarray\n_reconstruct\n.", "names the function or class numpy._core"),
        (b"K\x01}b.", "sets the state of something"),
        (b"c_codecs\nencode\n(U\x01aU\x03hextR.", "names the function or class _codecs.encode"),
        (b"cos\nsystem\n.", "names the function or class os.system"),
    ],
    ids=short_id,
)  # fmt: skip
def test_other_pickles_that_are_refused(pickled, message):
    with pytest.raises(InputError, match=message):
        load_plain_pickle(pickled, "batch")


def test_an_array_cannot_claim_more_than_it_holds():
    honest = dump(np.zeros((2, 2), np.uint8))
    assert load_plain_pickle(honest, "batch").shape == (2, 2)
    lying = honest.replace(b"K\x02K\x02\x86", b"K\x02J\xff\xff\xff\x7f\x86")
    assert lying != honest
    with pytest.raises(InputError, match="not those of shape"):
        load_plain_pickle(lying, "batch")


def test_plain_values_come_back():
    value = {b"a": [1, -2, 2**31 - 1, 300, None, True, b"x" * 300], b"b": (b"\xff", [], (1,))}
    value[b"c"] = [value[b"a"], (1, 2), (1, 2, 3), (1, 2, 3, 4), {b"d": False}]
    assert load_plain_pickle(dump(value), "batch") == value
    array = load_plain_pickle(dump(np.arange(6, dtype=np.uint8)), "batch")
    assert isinstance(array, Uint8Array)
    assert array.data == bytes(range(6))
