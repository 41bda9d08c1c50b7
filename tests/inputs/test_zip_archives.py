"""Zip archives walked without `zipfile`, compared with what `zipfile` writes."""

import io
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagenet_beam.transforms.archives.zip import (
    ZipEntry,
    read_zip_member,
    unzip_member,
    walk_zip,
)
from imagenet_beam.transforms.errors import ImageRejected, InputError


def zipped(files, method=zipfile.ZIP_DEFLATED, zip64=False, comment=b""):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.comment = comment
        archive.mkdir("folder")
        for name, data in files.items():
            with archive.open(name, "w", force_zip64=zip64) as member:
                member.write(data)
    return buffer.getvalue()


def read_all(source):
    found = {}
    for member in walk_zip(source):
        stored = read_zip_member(source, *member[1:])
        found[member.name] = unzip_member(stored, member.size_bytes, member.entry)
    return found


@settings(max_examples=40, deadline=None)
@given(
    files=st.dictionaries(
        st.text("abcé/.", min_size=1, max_size=80).filter(lambda name: not name.endswith("/")),
        st.binary(max_size=300),
        max_size=6,
    ),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    zip64=st.booleans(),
    comment=st.binary(max_size=50).filter(lambda text: b"PK" not in text),
)
def test_everything_that_zipfile_writes_is_read(reader, files, method, zip64, comment):
    assert read_all(reader(zipped(files, method, zip64, comment), "z")) == files


def test_a_list_of_members_beyond_65535_is_read_to_its_end(reader):
    files = {f"{number}.jpg": b"" for number in range(70_000)}
    names = [member.name for member in walk_zip(reader(zipped(files), "z"))]
    assert names == list(files)


def without_zip64(data, count):
    """The same archive by a program that knows no zip64, and writes what fits of a count."""
    fields = struct.unpack("<4sQ2H2I4Q", data[-98:-42])
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, *fields[8:10], 0)
    return data[:-98] + end


def test_a_count_that_has_overflown_hides_no_members(reader):
    files = {f"{number}.jpg": b"" for number in range(70_000)}
    data = without_zip64(zipped(files), (70_000 + 1) % 65536)  # and a folder
    assert [member.name for member in walk_zip(reader(data, "z"))] == list(files)
    with pytest.raises(InputError, match="z is a damaged or truncated zip archive"):
        list(walk_zip(reader(without_zip64(zipped(files), 70_000 % 65536), "z")))


def test_the_largest_count_needs_no_zip64(reader):
    files = {f"{number}.jpg": b"" for number in range(0xFFFF - 1)}
    data = zipped(files)
    assert data[-12:-10] == b"\xff\xff" and b"PK\x06\x07" not in data[-42:]
    assert [member.name for member in walk_zip(reader(data, "z"))] == list(files)


def renamed(name, flags=0):
    """A zip with one member, whose name of five bytes is another one."""
    data = bytearray(zipped({"abcde": b"content"}).replace(b"abcde", name))
    data[data.rindex(b"PK\x01\x02") + 9] |= flags >> 8
    return bytes(data)


@pytest.mark.parametrize(
    ("stored", "flags", "name"),
    [
        (b"a\\b\\c", 0, "a/b/c"),
        (b"a\n\x1bbc", 0, r"a\n\x1bbc"),
        (b"abcd\x82", 0, "abcdé"),
        (b"abc\xc3\xa9", 1 << 11, "abcé"),
        (b"abcd\xe9", 1 << 11, r"abcd\xe9"),
    ],
)
def test_names_are_those_of_the_same_files_in_a_tar(stored, flags, name, reader):
    [member] = walk_zip(reader(renamed(stored, flags), "z"))
    assert member.name == name


def test_folders_of_windows_are_passed_over(reader):
    assert list(walk_zip(reader(renamed(b"abcd\\"), "z"))) == []


def test_a_long_local_header_is_read_in_a_second_step(reader):
    """Local headers may have extra fields that the list at the end does not mention."""
    data = zipped({"x": b"content"}, zipfile.ZIP_STORED)
    at = data.index(b"PK\x03\x04", 10)
    name_end = at + 31
    longer = data[: at + 28] + (500).to_bytes(2, "little") + data[at + 30 : name_end]
    longer += bytes(500) + data[name_end:]
    member = list(walk_zip(reader(data, "z")))[-1]
    assert read_zip_member(reader(longer, "z"), *member[1:]) == b"content"
    assert ZipEntry.parse(str(member.entry)) == member.entry


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_bit_rejects_the_member(method, reader):
    data = bytearray(zipped({"x": bytes(range(256))}, method))
    data[data.index(b"PK\x03\x04", 10) + 60] ^= 1
    with pytest.raises(ImageRejected) as rejected:
        read_all(reader(bytes(data), "z"))
    assert rejected.value.reason == "damaged_zip_member"


def test_a_bomb_is_not_inflated(reader):
    member = list(walk_zip(reader(zipped({"x.jpg": bytes(50 << 20)}), "z")))[-1]
    stored = read_zip_member(reader(zipped({"x.jpg": bytes(50 << 20)}), "z"), *member[1:])
    with pytest.raises(ImageRejected, match="1,001 bytes"):
        unzip_member(stored, 1000, member.entry)


def with_last_entry(data, at, value):
    """Other bytes at a place of the last entry in the list of members."""
    at += data.rindex(b"PK\x01\x02")
    return data[:at] + value + data[at + len(value) :]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data[:-30], "truncated zip archive"),
        (lambda data: data.replace(b"PK\x01\x02", b"PK\x01\x03"), "damaged or truncated zip"),
        (lambda data: data[:-10] + b"\xff\xff\xff\x7f" + data[-6:], "damaged or truncated zip"),
        (lambda data: with_last_entry(data, 32, b"\1\0"), "damaged or truncated zip"),
        (lambda data: with_last_entry(data, 20, b"\0\1\0\0"), "'x' ends at byte 323 of 199"),
        (lambda data: with_last_entry(data, 42, b"\0\1\0\0"), "'x' ends at byte 295 of 199"),
    ],
    ids=["no end", "no list", "list beyond the end", "comment beyond the end", "length", "place"],
)
def test_damaged_lists_are_refused(change, sentence, reader):
    with pytest.raises(InputError, match=sentence):
        list(walk_zip(reader(change(zipped({"x": b"content"})), "z")))


def test_other_compression_is_refused(reader):
    data = zipped({"x.jpg": b"content"}, zipfile.ZIP_BZIP2)
    with pytest.raises(InputError, match=r"compression method 12; accepted are 0 .* and 8"):
        list(walk_zip(reader(data, "z")))


def test_encrypted_members_are_refused(reader):
    data = bytearray(zipped({"x.jpg": b"content"}))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InputError, match=r"z is encrypted \(x.jpg\); give one without a password"):
        list(walk_zip(reader(bytes(data), "z")))


LOCAL = struct.Struct("<4s5H3I2H")


def with_other_header(data, field, change):
    """Another value in the header before the last member's content; its list is as it was."""
    at = data.rindex(b"PK\x03\x04")
    fields = list(LOCAL.unpack_from(data, at))
    fields[field] = change(fields[field])
    return data[:at] + LOCAL.pack(*fields) + data[at + LOCAL.size :]


@pytest.mark.parametrize(
    ("field", "what"),
    [(3, "compression method"), (6, "checksum"), (7, "stored length"), (8, "length")],
)
@pytest.mark.parametrize("zip64", [False, True])
def test_a_header_that_contradicts_the_list_is_refused(field, what, zip64, reader):
    data = zipped({"x": b"content"}, zip64=zip64)
    if zip64 and field in (7, 8):  # the lengths stand in the field behind the name
        at = data.rindex(b"PK\x03\x04") + LOCAL.size + len("x") + 4 + 8 * (8 - field)
        damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    else:
        damaged = with_other_header(data, field, lambda value: value ^ 1)
    with pytest.raises(
        InputError, match=rf"z is damaged: .* byte \d+ another {what} than the header"
    ):
        read_all(reader(damaged, "z"))


def test_a_header_without_lengths_is_not_compared(reader):
    """Where a zip is written to a pipe, they stand behind the content."""
    pipe = io.BytesIO()
    pipe.seekable = lambda: False
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", b"content")
    assert read_all(reader(pipe.getvalue(), "z")) == {"x": b"content"}


def renamed_in_list(data, old, new):
    at = data.rindex(old)
    assert at > data.rindex(b"PK\x01\x02")
    return data[:at] + new + data[at + len(new) :]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"n01440764_1.JPEG", b"n01440764_1.KPEG"),  # it would be missing
        (b"n01440764_1.JPEG", b".01440764_1.JPEG"),  # so it would
        (b"n01440764/", b"n01440765/"),  # it would be in another class
    ],
)
def test_a_name_that_is_damaged_in_the_list_ends_the_conversion(
    old, new, make, pictures, refused, tmp_path
):
    name = "n01440764/n01440764_1.JPEG"
    files = {f"n01440764/n01440764_{n}.JPEG": next(iter(pictures.train.values())) for n in (2, 3)}
    archive = make.zip(tmp_path / "x.zip", {**files, name: next(iter(pictures.train.values()))})
    archive.write_bytes(renamed_in_list(archive.read_bytes(), old, new))
    said = refused(f"--train_archive={archive}")
    assert f"{archive} is damaged: its list of members gives the member at byte" in said
    assert "another name than the header there; get the file again" in said
