"""PAX headers that are none, and that sound ones are read as the standard library reads them."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tar_blocks import END, blocks, header, pax, refusal, walk

from imagenet_beam.transforms.archives.tar import TarMember
from imagenet_beam.transforms.archives.tar_header import is_sound_pax
from imagenet_beam.transforms.plain_text import clean_name


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE])
@pytest.mark.parametrize(
    "body",
    [
        b"9" * 3000,  # CVE-2024-6232; with 100 KB it takes minutes
        b"12 path=x.y\n" + b"7" * 3000,
        b"3015 comment=" + b"1" * 3001 + b"\n",  # sound, and searched for digits all the same
        b"comment=x\n",
        b"13 path=x.y\n",
        b"11 path=x.y\n",
        b"12 path=x.yz",
        b"12 pathxx.y\n",
        b"7 =abc\n",
        b"3 \n",
        b"0 a=b\n",
        b"-7 a=b\n",
        b"6 a=b\n\0x",
        b" 7 a=b\n",
        b"9" * 20 + b" a=b\n",
        b"0" * 20 + b"6 a=b\n",
    ],
    ids=lambda body: str(body[:16]),
)
def test_what_is_no_sequence_of_records_is_refused(kind, body):
    headed = header("pax", len(body), kind) + blocks(body) + header("b") + END
    said = "is truncated or damaged at byte {} (its PAX header is not well formed); get"
    assert said.format(512) in refusal(header("a") + headed)
    assert said.format(0) in refusal(headed)


KEYS = st.text("aZ.9é", min_size=1) | st.sampled_from(["path", "linkpath", "mtime", "uname"])
VALUES = st.text(st.characters(codec="utf-8"), max_size=300)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(KEYS, VALUES | st.just("7" * 255)),
    st.sampled_from([tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE]),
    st.sampled_from([b"", b"\0", bytes(700)]),
)
def test_sound_headers_are_read_as_the_standard_library_reads_them(records, kind, rest):
    body = pax_body(records) + rest
    data = header("pax", len(body), kind) + blocks(body) + header("x", 1) + blocks(b"X") + END
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8") as archive:
        [expected] = archive.getmembers()
    found = TarMember(clean_name(expected.name), expected.offset_data, expected.size)
    assert walk(data) == [found]


@given(st.dictionaries(KEYS, VALUES, min_size=1), st.integers(min_value=0), st.integers(0, 255))
def test_each_record_ends_where_its_length_says(records, number, byte):
    body = bytearray(pax_body(records))
    ends = [at for at in range(len(body)) if is_sound_pax(bytes(body[: at + 1]))]
    assert len(ends) == len(records)
    body[ends[number % len(ends)]] = byte
    assert is_sound_pax(bytes(body)) == (byte == ord("\n"))


def pax_body(records: dict[str, str]) -> bytes:
    headed = pax(**records)
    return headed[512 : 512 + int(headed[124:135], 8)]
