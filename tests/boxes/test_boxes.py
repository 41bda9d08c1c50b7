"""Bounding boxes: annotations, archives of them, the CSV, and the packed index."""

import gzip
import io
import pickle
import random
import struct
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagenet_beam.transforms.boxes.annotations import (
    Annotation,
    annotated_stem,
    image_stem,
    is_boxes_csv,
    parse_annotation_xml,
    parse_boxes_csv,
    write_boxes_csv,
)
from imagenet_beam.transforms.boxes.index import BoxCounts, BoxIndex, boxes_by_name
from imagenet_beam.transforms.boxes.read import iter_annotations_tar, iter_xml_members
from imagenet_beam.transforms.elements import BoundingBox, ImageRef, LabeledImage
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.join_boxes import with_boxes

SAMPLE = Path(__file__).parents[2].parent / "shared" / "data" / "ilsvrc_sample"
Corners = tuple[object, object, object, object]


def make_xml(*boxes: Corners, size: str = "<width>500</width><height>400</height>") -> bytes:
    objects = "".join(
        "<object><name>Scottish_deerhound</name><bndbox>"
        f"<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>"
        "</bndbox></object>\n"
        for xmin, ymin, xmax, ymax in boxes
    )
    return (
        f"<annotation><folder>n1</folder><filename>%s</filename><size>{size}</size>"
        f"{objects}</annotation>"
    ).encode()


def make_tar(members: dict[str, bytes], tar_format: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tar_format) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def read_tar(data: bytes) -> list[Annotation]:
    return list(iter_annotations_tar(io.BytesIO(data), "boxes"))


def box_rows(annotations: list[Annotation]) -> list[tuple[str, BoundingBox]]:
    return [(annotation.stem, box) for annotation in annotations for box in annotation.boxes]


FULL = (0, 0, 500, 400)
FULL_BOX = BoundingBox(0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ((50, 100, 250, 300), Annotation("n1_2", (BoundingBox(0.1, 0.25, 0.5, 0.75),))),
        ((50.0, 100, " 250 ", 3e2), Annotation("n1_2", (BoundingBox(0.1, 0.25, 0.5, 0.75),))),
        ((-5, 100, 520, 401), Annotation("n1_2", (BoundingBox(0, 0.25, 1, 1),), clamped=1)),
        ((250, 300, 50, 100), Annotation("n1_2", (BoundingBox(0.1, 0.25, 0.5, 0.75),), swapped=1)),
        ((600, 0, 50, 400), Annotation("n1_2", (BoundingBox(0.1, 0, 1, 1),), 1, 1)),
        ((7, 7, 7, 9), Annotation("n1_2", (), dropped=1)),
        ((500, 0, 600, 400), Annotation("n1_2", (), dropped=1)),
    ],
)
def test_a_box_is_scaled_clamped_swapped_or_dropped(corners: Corners, expected: Annotation) -> None:
    assert parse_annotation_xml(make_xml(corners), "n1_2.xml") == expected


_PIXEL = st.integers(-10, 600)


@given(corners=st.lists(st.tuples(_PIXEL, _PIXEL, _PIXEL, _PIXEL), max_size=5))
def test_every_box_is_kept_or_dropped(corners: list[Corners]) -> None:
    annotation = parse_annotation_xml(make_xml(*corners), "x.xml")
    assert len(annotation.boxes) + annotation.dropped == len(corners)
    for box in annotation.boxes:
        assert 0 <= box.xmin < box.xmax <= 1
        assert 0 <= box.ymin < box.ymax <= 1


@pytest.mark.parametrize(
    "size", ["", "<width>0</width><height>400</height>", "<width>500</width><height>x</height>"]
)
def test_without_a_size_the_boxes_are_dropped(size: str) -> None:
    annotation = parse_annotation_xml(make_xml(FULL, FULL, size=size), "n1_2.xml")
    assert annotation == Annotation("n1_2", (), dropped=2)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "cannot be read as an XML annotation"),
        (make_xml(FULL)[:-9], "cannot be read as an XML annotation"),
        (b"<html/>", "its outer element is <html>"),
        (make_xml((0, 0, "many", 4)), "are not four numbers"),
        (make_xml((0, 0, "nan", 4)), "are not four numbers"),
        (make_xml(FULL).replace(b"ymax", b"top"), "are not four numbers"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + make_xml(FULL), "it has a document type"),
        (
            ('<!DOCTYPE a [<!ENTITY b "c">]>' + make_xml(FULL).decode()).encode("utf-16"),
            "it has a document type",
        ),
        (b'<?xml version="1.0" encoding="nonsense"?><annotation/>', "cannot be read as an XML"),
        (make_xml(FULL) + b" " * (1 << 20), "more than the 1,048,576"),
    ],
)
def test_what_is_no_annotation_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^`bounding_boxes`: n1/n1_2.xml .*{sentence}"):
        parse_annotation_xml(data, "n1/n1_2.xml")


@pytest.mark.parametrize(
    ("filename", "stem"),
    [
        ("n01440764_10026", "n01440764_10026"),
        ("n01440764_10026_n01440764.JPEG", "n01440764_10026"),
        ("ILSVRC2012_val_00000293_n01440764.JPEG", "ILSVRC2012_val_00000293"),
        ("ILSVRC2012_val_00000293", "ILSVRC2012_val_00000293"),
        ("daisy_n01440764.jpg", "daisy_n01440764"),
        ("daisy/1.jpg", "daisy/1"),
        ("a.b.png", "a.b"),
    ],
)
def test_images_and_boxes_find_each_other(filename: str, stem: str) -> None:
    assert image_stem(filename) == stem


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("n01440764/n01440764_10026.xml", "n01440764_10026"),
        ("val/ILSVRC2012_val_00000293.xml", "ILSVRC2012_val_00000293"),
        ("n01440764_10026_n01440764.JPEG", "n01440764_10026"),
        ("flowers/daisy/1.xml", "daisy/1"),
        ("daisy/1.jpg", "daisy/1"),
        ("1.xml", "1"),
        ("VOC/Annotations/1.xml", "1"),
        ("n01440764/part/holiday.xml", "n01440764/holiday"),
    ],
)
def test_the_place_of_an_annotation_tells_its_image(path: str, stem: str) -> None:
    assert annotated_stem(path) == stem
    assert read_tar(make_tar({path.rpartition(".")[0] + ".xml": make_xml()})) == [
        Annotation(stem, ())
    ]
    assert list(parse_boxes_csv([f"{path},0,0,1,1"], "f")) == [(stem, FULL_BOX)]


def test_equal_names_in_two_classes_have_boxes_of_their_own() -> None:
    index = boxes_by_name([Annotation("daisy/1", (FULL_BOX,)), Annotation("2", (FULL_BOX,))])
    found = {
        name: with_boxes(LabeledImage(ImageRef("a", 0, 1, name), 0, "", ""), index).boxes
        for name in ("daisy/1.jpg", "roses/1.jpg", "roses/2.jpg")
    }
    assert found == {"daisy/1.jpg": (FULL_BOX,), "roses/1.jpg": (), "roses/2.jpg": (FULL_BOX,)}


MEMBERS = {
    "./n01440764/n01440764_1.xml": make_xml(FULL),
    "./n01440764/._n01440764_1.xml": b"AppleDouble",
    "./n01440764/readme.txt": b"no annotation" * 1000,
    f"./n01440764/{'n01440764_2' * 20}.xml": make_xml(),  # too long for a plain tar header
    "./n01440764/n01440764_3.xml": make_xml(FULL).ljust(1024),  # full blocks, no padding
    "./n01440764/n01440764_4.xml": make_xml((7, 7, 7, 9)),
}
ANNOTATIONS = [
    Annotation("n01440764_1", (FULL_BOX,)),
    Annotation(f"n01440764/{'n01440764_2' * 20}", ()),
    Annotation("n01440764_3", (FULL_BOX,)),
    Annotation("n01440764_4", (), dropped=1),
]


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("packed", [True, False])
def test_an_archive_of_annotations(tar_format: int, packed: bool) -> None:
    data = make_tar(MEMBERS, tar_format)
    assert read_tar(gzip.compress(data) if packed else data) == ANNOTATIONS


def test_an_archive_of_class_archives() -> None:
    inner = gzip.compress(make_tar(MEMBERS))
    other = make_tar({"Annotation/n2/n2_1.xml": make_xml(FULL)})
    data = make_tar({"n01440764.tar.gz": inner, "n2.tar": other})
    assert read_tar(data) == [*ANNOTATIONS, Annotation("n2/n2_1", (FULL_BOX,))]


def _tar_of_one(size_bytes: int) -> bytes:
    info = tarfile.TarInfo("n1_1.xml")
    info.size = size_bytes
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(4096)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "boxes is empty"),
        (b"<!DOCTYPE html>", "boxes holds an HTML .*, not a tar archive"),
        (gzip.compress(b"n1.JPEG,0,0,1,1\n" * 99), "boxes holds a file that .*, not a tar archive"),
        (gzip.compress(make_tar(MEMBERS))[:-20], "boxes is damaged or truncated"),
        (make_tar(MEMBERS)[:1500], "boxes is truncated"),
        (make_tar(MEMBERS)[:1024], "boxes is truncated"),
        (make_tar(MEMBERS)[:1024] + b"x" * 512, "boxes has a damaged header at byte 1,024"),
        (make_tar({"n1.tar": make_tar(MEMBERS)[:1500]}), "n1.tar in boxes is truncated"),
        (make_tar({"n1_1.JPEG": b"x"}), r"boxes has no annotation \(.xml\) among its first 1 fil"),
        (make_tar({f"{i}.JPEG": b"" for i in range(1200)}), "among its first 1,000 files"),
        (_tar_of_one(1 << 40), "n1_1.xml has 1,099,511,627,776 bytes, more than the 1,048,576"),
        (_tar_of_one(-5), "boxes has a damaged header"),
    ],
    ids=range(12),  # gzip writes the time: the data would name each test anew
)
def test_a_wrong_archive_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^`bounding_boxes`: .*{sentence}"):
        read_tar(data)


def _tar_with_a_link(name: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, "elsewhere"
    return make_tar(MEMBERS)[:1024] + info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


@pytest.mark.parametrize("name", ["n1/n1_2.xml", "n1.tar.gz"])
def test_an_annotation_is_not_left_out_because_it_is_a_link(name: str) -> None:
    with pytest.raises(InputError, match=f"boxes holds '{name}' as a link"):
        read_tar(_tar_with_a_link(name))
    assert read_tar(_tar_with_a_link("n1/readme.txt")) == ANNOTATIONS[:1]


def test_an_archive_that_goes_on_after_its_end_mark_is_refused() -> None:
    data = make_tar(MEMBERS)
    with pytest.raises(InputError, match="boxes is incomplete or damaged: it goes on after"):
        read_tar(gzip.compress(data + data))


CSV = "n00007846_64193.JPEG,0.0060,0.2620,0.7545,0.9940\n"
CSV_ROW = ("n00007846_64193", BoundingBox(0.006, 0.262, 0.7545, 0.994))


def test_the_csv_of_inception_is_read_and_written() -> None:
    assert list(parse_boxes_csv(["\ufeff" + CSV, "\n"], "f")) == [CSV_ROW]
    assert "".join(write_boxes_csv([CSV_ROW])) == CSV
    annotations = [Annotation("a", (FULL_BOX, CSV_ROW[1])), Annotation("b", ())]
    assert list(write_boxes_csv(box_rows(annotations))) == [
        "a.JPEG,0.0000,0.0000,1.0000,1.0000\n",
        "a.JPEG,0.0060,0.2620,0.7545,0.9940\n",
    ]


def test_the_csv_is_told_by_its_first_line() -> None:
    assert is_boxes_csv(CSV.encode())
    assert is_boxes_csv(b"\xef\xbb\xbf" + CSV.encode() * 3)
    assert not is_boxes_csv(gzip.compress(CSV.encode()))
    assert not is_boxes_csv(make_tar({"0,0,0,0,0": b""}))
    assert not is_boxes_csv(b"")


@pytest.mark.parametrize(
    "line",
    ["a.JPEG,0,0,1", "a.JPEG,0,0,1,1,1", ",0,0,1,1", "a,10,20,200,300", "a,1,0,0,1", "a,0,nan,1,1"],
)
def test_a_line_that_cannot_be_right_is_refused(line: str) -> None:
    with pytest.raises(InputError, match=f"line 2 of f is '{line}'; expected a file name and xmin"):
        list(parse_boxes_csv([CSV, line], "f"))


def _float32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


_UNIT = st.floats(0, 1, width=32)
_ANNOTATIONS = st.lists(
    st.builds(
        Annotation,
        st.text(st.characters(), max_size=5),
        st.lists(st.builds(BoundingBox, _UNIT, _UNIT, _UNIT, _UNIT), max_size=3).map(tuple),
        *[st.integers(0, 3)] * 3,
    ),
    unique_by=lambda annotation: annotation.stem,
    max_size=9,
)


@given(annotations=_ANNOTATIONS, absent=st.text(max_size=5))
def test_the_index_gives_back_what_went_in(annotations: list[Annotation], absent: str) -> None:
    index = BoxIndex.from_bytes(boxes_by_name(annotations).to_bytes())
    assert pickle.loads(pickle.dumps(index)) == index  # noqa: S301
    assert len(index) == index.counts.files == len(annotations)
    for annotation in annotations:
        assert annotation.stem in index
        assert index.boxes(annotation.stem) == annotation.boxes
    assert (absent in index) == (absent in {a.stem for a in annotations})
    assert sum(index.counts[1:]) == sum(len(a.boxes) + sum(a[2:]) for a in annotations)


def test_the_index_stores_the_floats_of_the_record() -> None:
    box = boxes_by_name([Annotation("a", (BoundingBox(0.1, 0.2, 0.3, 1 / 3),))]).boxes("a")[0]
    assert box == BoundingBox(_float32(0.1), _float32(0.2), _float32(0.3), _float32(1 / 3))
    assert boxes_by_name().boxes("a") == ()


def test_rows_of_a_csv_are_gathered_by_image() -> None:
    half = BoundingBox(0.0, 0.0, 0.5, 0.5)
    empty = BoundingBox(0.5, 0.0, 0.5, 1.0)
    index = boxes_by_name(tables=[[("b", half), ("a", half), ("b", FULL_BOX), ("c", empty)]])
    assert index.counts == BoxCounts(files=3, boxes=3, clamped=0, swapped=0, dropped=1)
    assert index.boxes("b") == (half, FULL_BOX)
    assert (index.boxes("a"), index.boxes("c")) == ((half,), ())


def test_an_annotation_given_twice_counts_once() -> None:
    one = Annotation("a", (FULL_BOX,), clamped=1)
    assert boxes_by_name([one, Annotation("b", ()), one]) == boxes_by_name(
        [one, Annotation("b", ())]
    )
    with pytest.raises(InputError, match="gives boxes for the image a twice"):
        boxes_by_name([one, one._replace(boxes=(FULL_BOX, FULL_BOX))])
    with pytest.raises(InputError, match="gives boxes for the image a twice"):
        boxes_by_name([one], [[("a", BoundingBox(0, 0, 1, 0.9998))]])


THIRDS = BoundingBox(0.0, 1 / 3, 2 / 3, 1.0)
THIN = BoundingBox(0.5, 0.0, 0.50001, 1.0)


def test_a_csv_given_beside_its_annotations_or_twice_counts_once() -> None:
    annotations = [Annotation("a", (THIRDS, THIN, FULL_BOX), clamped=1), Annotation("b", ())]
    csv = [*write_boxes_csv(box_rows(annotations)), "c.JPEG,0,0,1,1\n", "c.JPEG,0,0,1,1\n"]
    rows = list(parse_boxes_csv(csv, "f"))
    both = boxes_by_name(annotations, [rows, reversed(rows[-2:])])
    assert both == boxes_by_name([*annotations, Annotation("c", (FULL_BOX, FULL_BOX))])
    assert boxes_by_name(tables=[rows, rows]) == boxes_by_name(tables=[rows])
    with pytest.raises(InputError, match="gives boxes for the image a twice"):
        boxes_by_name(annotations, [rows[:2]])


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of real photographs is not here")
def test_the_boxes_of_the_sample() -> None:
    with (SAMPLE / "ILSVRC2012_bbox_train_v2.tar.gz").open("rb") as stream:
        train = list(iter_annotations_tar(stream, "train"))
    with (SAMPLE / "ILSVRC2012_bbox_val_v3.tgz").open("rb") as stream:
        index = boxes_by_name([*train, *iter_annotations_tar(stream, "val")])
    assert len(index) == 400
    assert index.boxes("ILSVRC2012_val_00000001") == (
        BoundingBox(_float32(0.1), _float32(0.1), 1.0, 1.0),
    )
    first = train[0]._replace(boxes=())
    assert first == Annotation("n01440764_22000", (), clamped=1, swapped=1, dropped=1)
    assert train[0].boxes[1:] == (
        BoundingBox(490 / 500, 5 / 375, 1.0, 1.0),
        BoundingBox(100 / 500, 50 / 375, 300 / 500, 200 / 375),
    )


def test_a_compressed_archive_may_end_anywhere():
    """Also inside an annotation, where the consumer reads, not the walk over the members."""
    filler = random.Random(0)  # noqa: S311 - no secret
    texts = {f"n1/n1_{number}.xml": filler.randbytes(3000) for number in range(9)}
    data = gzip.compress(make_tar(texts))
    for end in range(30, len(data) - 1, 97):
        with pytest.raises(InputError, match=r"boxes (is|holds) "):
            list(iter_xml_members(io.BytesIO(data[:end]), "boxes"))
