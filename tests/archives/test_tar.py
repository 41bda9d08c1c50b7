"""Walking tar archives: every kind of header, every kind of damage, no picture read."""

import gc
import gzip
import io
import itertools
import subprocess
import tarfile
import zipfile

import pytest
from apache_beam.coders import StrUtf8Coder
from hypothesis import given, settings
from hypothesis import strategies as st
from tar_blocks import END, Memory, blocks, header, make_tar, pax, refusal, signed, walk

from imagenet_beam.transforms.archives import tar
from imagenet_beam.transforms.archives.streams import open_stream
from imagenet_beam.transforms.archives.tar import TarMember, walk_tar
from imagenet_beam.transforms.archives.tar_header import parse_plain_header
from imagenet_beam.transforms.errors import InputError

TWO = make_tar(
    ("n01440764/a.JPEG", b"A" * 700), ("b.JPEG", b"B" * 512), format=tarfile.USTAR_FORMAT
)
TWO_MEMBERS = [TarMember("n01440764/a.JPEG", 512, 700), TarMember("b.JPEG", 2048, 512)]
TWO_END = 2560  # where the zeros begin


def test_offsets_and_sizes_of_a_plain_archive():
    assert walk(TWO) == TWO_MEMBERS
    assert TWO[512:1212] == b"A" * 700
    assert TWO[2048:2560] == b"B" * 512


def test_an_archive_inside_an_archive_is_walked_at_its_offset():
    outer = make_tar(("n01440764.tar", TWO), ("n01443537.tar", TWO))
    inner = walk(outer)[1]
    offset = inner.offset_bytes
    assert walk(outer, offset_bytes=offset, size_bytes=inner.size_bytes) == [
        TarMember("n01440764/a.JPEG", offset + 512, 700),
        TarMember("b.JPEG", offset + 2048, 512),
    ]


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["d/" * 200 + "x.JPEG", "é" * 120 + "/狗.JPEG", "x" * 5000])
def test_long_and_foreign_names(format_, name):
    data = make_tar((name, b"1"), ("y", b"2"), format=format_)
    found = walk(data)
    assert [member.name for member in found] == [name, "y"]
    assert data[found[0].offset_bytes : found[0].offset_bytes + 1] == b"1"


def test_a_ustar_prefix_is_part_of_the_name():
    name = "p" * 120 + "/" + "n" * 90
    assert walk(make_tar((name, b""), format=tarfile.USTAR_FORMAT))[0].name == name


def test_a_pax_size_record_wins_over_the_header():
    data = pax(size="600") + header("big.JPEG", 0) + blocks(b"D" * 600) + header("z", 1)
    data += blocks(b"Z") + END
    assert walk(data) == [TarMember("big.JPEG", 1536, 600), TarMember("z", 3072, 1)]


def test_a_base_256_size_is_read():
    big = bytearray(header("x.JPEG", 3))
    big[124:136] = b"\x80" + (3).to_bytes(11, "big")
    assert walk(signed(big) + blocks(b"abc") + END) == [TarMember("x.JPEG", 512, 3)]


def test_what_is_no_regular_file_is_passed_over():
    kinds = [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
    data = b"".join(header("x", 0, kind) for kind in kinds) + header("y", 0) + END
    assert walk(data) == [TarMember("y", 3072, 0)]


@pytest.mark.parametrize("sparse_format", ["gnu", "pax"])
def test_sparse_files_are_passed_over_and_what_follows_is_found(tmp_path, sparse_format):
    with (tmp_path / "holes").open("wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    (tmp_path / "after.JPEG").write_bytes(b"after")
    command = ["tar", f"--format={sparse_format}", "--sparse", "-cf", "s.tar"]
    subprocess.run([*command, "holes", "after.JPEG"], cwd=tmp_path, check=True)
    data = (tmp_path / "s.tar").read_bytes()
    assert len(data) < 1 << 17, "this file system has no holes"
    [found] = walk(data)
    assert (found.name, found.size_bytes) == ("after.JPEG", 5)
    assert data[found.offset_bytes :].startswith(b"after\0")


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.GNUTYPE_SPARSE])
def test_what_has_no_bytes_of_its_own_is_not_left_out_in_silence(kind):
    fault = "sparse" if kind == tarfile.GNUTYPE_SPARSE else "link"
    said = refusal(header("a") + header("n01440764.tar", 0, kind) + END)
    assert f"holds 'n01440764.tar' as a {fault}" in said
    assert ("--sparse" in said) == (fault == "sparse")
    image, text = header("d/\nx.JPEG", 0, kind), header("link", 0, kind)
    assert walk(header("a") + image + text + header("b", 1) + blocks(b"B") + END) == [
        TarMember("a", 512, 0),
        TarMember(r"d/\nx.JPEG", 1024, 0, fault),
        TarMember("b", 2048, 1),
    ]
    assert walk(image + END) == [TarMember(r"d/\nx.JPEG", 512, 0, fault)]


def test_an_apple_double_is_listed_as_any_other_member():
    assert [member.name for member in walk(make_tar(("._x.JPEG", b"1")))] == ["._x.JPEG"]


# Damage


@pytest.mark.parametrize(
    "archive",
    [
        TWO,
        make_tar(("é" * 120 + ".JPEG", b"1" * 600), ("b", b"2"), format=tarfile.PAX_FORMAT),
        make_tar(("x" * 600, b"1" * 600), ("b", b"2"), format=tarfile.GNU_FORMAT),
    ],
    ids=["ustar", "pax", "gnu"],
)
def test_no_truncation_passes_for_a_shorter_archive(archive):
    whole = walk(archive)
    complete = len(archive.rstrip(b"\0"))
    complete += -complete % 512 + 512  # one block of zeros tells the end
    cuts = {cut + step for cut in range(0, complete, 512) for step in (-1, 0, 1, 200)}
    for cut in sorted(cut for cut in cuts if 0 <= cut < complete):
        assert refusal(archive[:cut]).startswith(("a.tar is ", "a.tar holds ")), cut
    for cut in range(complete, len(archive) + 1, 512):
        assert walk(archive[:cut]) == whole


def test_messages_say_where_an_archive_was_cut():
    assert refusal(TWO[:2300]) == (
        "a.tar is truncated: its member 'b.JPEG' ends at byte 2,560 of 2,300; get the file again"
    )
    assert refusal(TWO[:TWO_END]) == (
        "a.tar is truncated: it ends at byte 2,560 without the blocks of zeros that end a tar "
        "archive; get the file again"
    )
    assert refusal(b"") == "a.tar is empty: 0 bytes; get the file again"


def test_a_truncated_class_tar_is_noticed_within_its_own_bounds():
    outer = make_tar(("a.tar", TWO[:2300]), ("b.tar", TWO))
    with pytest.raises(InputError, match=r"byte 2,560 of 2,300"):
        walk(outer, offset_bytes=512, size_bytes=2300)


@pytest.mark.parametrize("position", [0, 5, 130, 150, 156, 300])
def test_a_flipped_byte_in_the_second_header_is_an_error(position):
    damaged = bytearray(TWO)
    damaged[1536 + position] ^= 0x15
    assert refusal(bytes(damaged)) == (
        "a.tar has a damaged header at byte 1,536; get the file again"
    )


def test_zeros_in_the_middle_are_no_end():
    hole = TWO[:1536] + bytes(512) + TWO[2048:]
    assert refusal(hole) == (
        "a.tar is incomplete or damaged: it goes on after the blocks of zeros at byte 1,536, "
        "which end a tar archive; get the file again"
    )
    reserved = TWO[:1536] + bytes(tar.MAX_PADDING_BYTES + 513)
    assert "goes on after the blocks of zeros at byte 1,536" in refusal(reserved)
    assert "goes on after" in refusal(TWO + TWO), "two archives in one"


def test_padding_up_to_that_of_a_tape_is_right():
    padded = TWO[:TWO_END] + bytes(512 + tar.MAX_PADDING_BYTES)
    assert walk(padded) == TWO_MEMBERS
    assert refusal(padded + b"\0")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\x1f\x8b\x08" + bytes(600), "holds a gzip file, not a tar archive; decompress it first"),
        (
            b"\n <!DOCTYPE html><html>" + b" " * 600,
            "holds an HTML or XML page, perhaps an error",
        ),
        (bytes(10240), "is an empty tar archive: it begins with its end mark"),
        (
            b"JPEG" * 200,
            "4a 50 45 47 4a 50 45 47, not a tar archive; give the archive as it was downloaded",
        ),
        (TWO[:100], ", not a tar archive; give the archive as it was downloaded"),
    ],
)
def test_what_is_no_tar_archive_is_called_by_its_name(data, sentence):
    assert sentence in refusal(data)


def test_a_zip_file_is_called_by_its_name():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.JPEG", b"1" * 600)
    assert "a.tar holds a zip archive, not a tar archive; give" in refusal(file.getvalue())


# Hostile headers


@pytest.mark.parametrize("size", [-1, -512, -1024, -(2**62)])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, b"?"])
def test_a_negative_size_does_not_lead_back(size, kind):
    data = header("a") + header("b", size, kind) + header("c") + END
    assert "has a damaged header at byte 512: it says a size that cannot be" in refusal(data)
    first = header("b", size, kind) + header("c") + END
    assert "damaged" in refusal(first)


@pytest.mark.parametrize("size", ["-512", "-1", "9" * 255, str(2**62)])
def test_a_pax_size_that_cannot_be(size):
    data = header("a") + pax(size=size) + header("b") + header("c") + END
    assert "has a damaged header at byte 512: it says a size that cannot be" in refusal(data)


def test_a_size_beyond_the_archive_is_a_truncation():
    assert "'a' ends at byte 1,099,511,628,288 of 2,048" in refusal(
        header("a", 1 << 40) + header("b") + END
    )


def test_a_sparse_header_does_not_lead_back_with_its_stored_size():
    sparse = bytearray(header("s", -1024, tarfile.GNUTYPE_SPARSE))
    sparse[483:495] = b"%011o\0" % 10  # the size without holes
    assert "damaged header at byte 512" in refusal(header("a") + signed(sparse) + END)


@pytest.mark.parametrize("key", ["GNU.sparse.size", "GNU.sparse.realsize", "GNU.sparse.map"])
@pytest.mark.parametrize("value", ["x", "1,x", "9" * 5000])
def test_hostile_pax_numbers(key, value):
    for before in (b"", header("a")):
        assert "damaged" in refusal(before + pax(**{key: value}) + header("b") + END)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
@pytest.mark.parametrize("size", [tar.MAX_HEADER_BYTES + 1, -512])
def test_the_length_of_a_header_does_not_decide_how_much_is_held(kind, size):
    data = header("a") + header("long", size, kind) + bytes(3 * tar.MAX_HEADER_BYTES)
    reader = Memory(data)
    with pytest.raises(InputError, match="a header of more than 1,048,576 bytes"):
        list(walk_tar(reader))
    assert reader.read_bytes < 20_000


def test_headers_of_headers_end_somewhere():
    body = pax(mtime="1.5")[512:]
    chain = header("g", len(body.rstrip(b"\0")), tarfile.XGLTYPE) + body
    assert "damaged" in refusal(header("a") + chain * 900 + header("b") + END)


@pytest.mark.parametrize(
    "named",
    [
        header("l", 512, tarfile.GNUTYPE_LONGNAME) + blocks(b"n01440764/%d.JPEG"),
        pax(path="n01440764/%d.JPEG"),
    ],
    ids=["gnu", "pax"],
)
def test_a_member_lost_after_its_long_name_does_not_give_it_to_the_next(named):
    first, second = (named.replace(b"%d", b"%02d" % number) for number in (1, 2))
    content = header("short", 512) + blocks(b"A")
    assert [m.name for m in walk(first + content + second + content + END)] == [
        "n01440764/01.JPEG",
        "n01440764/02.JPEG",
    ]
    said = refusal(header("a") + first + second + content + END)
    assert "damaged at byte 512 (two headers of one kind, and no member between them)" in said


def test_a_member_that_a_damaged_type_makes_a_long_name_is_refused():
    inner = make_tar(("n01440764_1.JPEG", b"A"))
    whole = header("n01440764.tar", len(inner)) + blocks(inner)
    after = header("n01443537.tar", len(inner)) + blocks(inner) + END
    assert [m.name for m in walk(whole + after)] == ["n01440764.tar", "n01443537.tar"]
    damaged = header("n01440764.tar", len(inner), tarfile.GNUTYPE_LONGNAME) + blocks(inner)
    said = refusal(header("a") + damaged + after)
    assert "damaged at byte 512 (its long name is not well formed)" in said


def test_an_old_sparse_header_that_goes_on_past_the_end():
    sparse = bytearray(header("s", 0, tarfile.GNUTYPE_SPARSE))
    sparse[482] = 1  # isextended
    assert "damaged" in refusal(header("a") + signed(sparse))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_damage_is_an_error_or_harmless_but_never_a_crash(data):
    archive = bytearray(
        pax(size="700", mtime="1.5") + header("n/a.JPEG", 700) + blocks(b"A" * 700)
        + make_tar(("x" * 150, b"B"), format=tarfile.GNU_FORMAT)
    )  # fmt: skip
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = walk(bytes(archive))
    except InputError:
        return
    for member in found:
        assert 0 <= member.offset_bytes <= member.offset_bytes + member.size_bytes <= len(archive)


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        (b"caf\xe9.JPEG", r"caf\xe9.JPEG"),
        (b"a\nb.JPEG", r"a\nb.JPEG"),
        (b"\x1b[31mred.JPEG", r"\x1b[31mred.JPEG"),
        ("é狗\N{NO-BREAK SPACE}.JPEG".encode(), "é狗\N{NO-BREAK SPACE}.JPEG"),
    ],
)
def test_names_are_text_that_coders_and_terminals_take(stored, name):
    block = bytearray(header("?", 0))
    block[: len(stored)] = stored
    [found] = walk(signed(block) + END)
    assert found.name == name
    assert StrUtf8Coder().decode(StrUtf8Coder().encode(found.name)) == name


def test_a_zero_byte_in_a_pax_name_is_written_as_an_escape():
    [found] = walk(pax(path="a\0b.JPEG") + header("x") + END)
    assert found.name == r"a\x00b.JPEG"


def test_a_message_about_a_foreign_name_is_one_line():
    block = bytearray(header("?", 5000))
    block[:3] = b"\n\xff\x07"
    assert r"'\\n\\xff\\x07'" in refusal(signed(block) + END)


# The same as the standard library, at the price of the headers


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/", exclude_categories=("C",)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NAMES.filter(bool), st.binary(max_size=1500)), min_size=1, max_size=6),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.integers(0, 2000),
    st.sampled_from([512, 700, 4096]),
)
def test_the_listing_equals_that_of_the_standard_library(members, format_, offset, block_bytes):
    data = make_tar(*members, format=format_)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = [(m.name, m.offset_data + offset, m.size) for m in archive if m.isreg()]
    reader = Memory(b"?" * offset + data + b"?" * 100)
    found = list(walk_tar(reader, offset, len(data), block_bytes=block_bytes))
    names = [
        name.replace("\u2028", r"\u2028").replace("\u2029", r"\u2029") for name, _, _ in expected
    ]
    assert found == [
        TarMember(name, *rest) for name, (_, *rest) in zip(names, expected, strict=True)
    ]


def test_members_are_not_remembered():
    count = 3000
    members = walk_tar(Memory(b"".join(header(f"{n}.JPEG") for n in range(count)) + END))
    assert sum(1 for _ in itertools.islice(members, count - 1)) == count - 1
    # Other tests of this process may have left some; remembering would add thousands.
    assert sum(isinstance(thing, tarfile.TarInfo) for thing in gc.get_objects()) < count / 2
    assert [member.name for member in members] == [f"{count - 1}.JPEG"]


def test_pictures_are_not_read():
    picture = b"P" * 110_000
    members = [(f"n01440764_{number}.JPEG", picture) for number in range(50)]
    reader = Memory(make_tar(*members, format=tarfile.GNU_FORMAT))
    assert len(list(walk_tar(reader))) == 50
    assert reader.read_bytes <= 52 * 4096 + 10_240
    reader = Memory(reader.data)
    assert len(list(walk_tar(reader, block_bytes=512))) == 50
    assert reader.read_bytes <= 52 * 1024 + 10_240


@st.composite
def archives(draw) -> bytes:
    """An archive of a few members, with some bytes of its headers changed."""
    names = st.text("aé/.\x01", min_size=1, max_size=8) | st.just("long/" * 25)
    members = draw(st.lists(st.tuples(names, st.binary(max_size=600)), min_size=1, max_size=4))
    form = draw(st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    data = bytearray(make_tar(*((name + "x", body) for name, body in members), format=form))
    starts = [at for at in range(0, len(data), 512) if data[at + 257 : at + 262] == b"ustar"]
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.sampled_from(starts))
        data[start + draw(st.integers(0, 511))] = draw(st.sampled_from(b"\0 0178Ax\xff"))
        if draw(st.booleans()):
            data[start : start + 512] = signed(data[start : start + 512])
    return bytes(data[: draw(st.integers(0, len(data))) or len(data)])


@settings(max_examples=500, deadline=None)
@given(archives())
def test_plain_headers_are_read_as_tarfile_reads_them(data):
    def outcome() -> tuple[list[TarMember], str]:
        found = []
        try:
            found.extend(walk_tar(Memory(data)))
        except InputError as error:
            return found, str(error)
        return found, ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tar, "parse_plain_header", lambda header: None)
        expected = outcome()
    assert outcome() == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["x", "é", "long/" * 25]), st.integers(0, 9000)), min_size=1
    ),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.integers(0, 20),
)
def test_a_stream_is_walked_as_a_file_is(members, form, padding_blocks):
    """Headers lie across the ends of blocks, and a stream does not go back."""
    data = make_tar(*((name + "x", b"1" * size) for name, size in members), format=form)
    data = data.rstrip(b"\0")
    data += bytes(-len(data) % 512 + 1024 + 512 * padding_blocks)
    stream = open_stream(io.BytesIO(gzip.compress(data, 1)), "a.tar.gz")
    assert list(walk_tar(stream)) == walk(data)


@pytest.mark.parametrize("form", ["gnu", "ustar", "v7"])
def test_headers_of_gnu_tar_are_plain(tmp_path, form):
    (tmp_path / "n01440764_1.JPEG").write_bytes(b"1" * 700)
    command = ["tar", f"--format={form}", "-cf", "a.tar", "n01440764_1.JPEG"]
    subprocess.run(command, cwd=tmp_path, check=True)
    head = (tmp_path / "a.tar").read_bytes()[:512]
    plain = None if form == "v7" else ("n01440764_1.JPEG", 700)
    assert parse_plain_header(head) == plain


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_headers_of_python_are_plain(form):
    assert parse_plain_header(make_tar(("a.JPEG", b"123"), format=form)[:512]) == ("a.JPEG", 3)
