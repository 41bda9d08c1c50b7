"""Listing archives of gs://: requests as few as members are small, spans at once."""

import io
import tarfile

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, GlobalWindows, TimestampedValue

from imagenet_beam.transforms.archives.passed import sum_passed
from imagenet_beam.transforms.elements import PassedOver
from imagenet_beam.transforms.list_images import ListAll, ListImages, list_images, split_source
from imagenet_beam.transforms.storage.files import Storage

DOWNLOAD = "^/download/"
KIB, MIB = 1 << 10, 1 << 20


def tar_of(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def class_tar(images, image_bytes):
    return tar_of((f"n01440764_{i}.JPEG", bytes(image_bytes)) for i in range(images))


def tar_of_tars(classes, images, image_bytes):
    one = class_tar(images, image_bytes)
    return tar_of((f"n{10_000_000 + i}.tar", one) for i in range(classes))


def lengths(proxy):
    """What each download asked for."""
    found = []
    for request in proxy.seen("GET", DOWNLOAD):
        first, last = request.headers["range"].removeprefix("bytes=").split("-")
        found.append(int(last) - int(first) + 1)
    return found


def test_a_flat_tar_is_read_through_in_growing_blocks(proxy, put):
    data = tar_of((f"ILSVRC2012_val_{i:08}.JPEG", bytes(100_000)) for i in range(200))
    url = put("val.tar", data)
    reader = Storage().open_ranges(url)
    (span,) = split_source(url, Storage(), "tar")
    proxy.forget()
    assert len(list(list_images(span, Storage()))) == 200
    read_through = [4 * KIB, 32 * KIB, 256 * KIB, 2 * MIB, 8 * MIB, 8 * MIB]
    assert lengths(proxy)[: len(read_through)] == read_through
    assert len(lengths(proxy)) <= len(read_through) + 1
    assert sum(lengths(proxy)) <= reader.size_bytes


def test_the_outer_tar_of_large_class_tars_is_skipped_through(proxy, put):
    url = put("train.tar", tar_of_tars(classes=6, images=15, image_bytes=100_000))
    assert len(list(split_source(url, Storage(), "tar"))) == 6
    assert lengths(proxy)[:6] == [4 * KIB] * 6
    assert len(lengths(proxy)) <= 6 + len(["the end mark", "the padding behind it"])


def check_listing(urls, expected, *, seconds_apart=0):
    """Lists archives that have times of their own: `expected` says window and reference."""
    stamped = [TimestampedValue(url, i * seconds_apart) for i, url in enumerate(urls)]
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        found = (
            pipeline
            | beam.Create([None])
            | "Stamp" >> beam.FlatMap(lambda _: stamped)
            | "ByTime" >> beam.WindowInto(FixedWindows(10))
            | ListImages()
            | beam.Map(lambda ref, w=beam.DoFn.WindowParam: (float(w.start), *ref))
            | "Together" >> beam.WindowInto(GlobalWindows())
        )
        assert_that(found, equal_to(expected))


def local_refs(path):
    spans = split_source(str(path), Storage(), "tar")
    return [ref for span in spans for ref in list_images(span, Storage())]


@pytest.fixture
def class_tars(tmp_path):
    """A tar of 24 class tars on the local disk."""
    path = tmp_path / "train.tar"
    path.write_bytes(tar_of_tars(classes=24, images=3, image_bytes=1_000))
    return path


def test_class_tars_are_listed_at_once_as_they_are_locally(proxy, put, class_tars):
    url = put("train.tar", class_tars.read_bytes())
    proxy.delay_seconds = 0.02
    check_listing([url], [(0.0, url, *ref[1:]) for ref in local_refs(class_tars)])
    assert len({request.connection for request in proxy.seen("GET", DOWNLOAD)}) >= 8


def test_images_are_in_the_windows_of_their_archives(put, class_tars):
    urls = [put(f"{i}.tar", class_tars.read_bytes()) for i in range(3)]
    refs = local_refs(class_tars)
    expected = [(10.0 * i, url, *ref[1:]) for i, url in enumerate(urls) for ref in refs]
    check_listing(urls, expected, seconds_apart=10)


def test_what_is_passed_over_in_class_tars_that_are_listed_at_once(put):
    one = tar_of([("n01440764_1.JPEG", b"x"), ("n01440764_2.KPEG", b"x")])
    tars = [(f"n{10_000_000 + i}.tar", one) for i in range(24)]
    url = put("train.tar", tar_of([("README", b""), *tars]))
    names = ("README", *(f"n1000000{i}.tar/n01440764_2.KPEG" for i in range(2)))
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        listed = pipeline | beam.Create([url]) | ListAll()
        found = listed.passed | beam.CombineGlobally(sum_passed)
        assert_that(found, equal_to([PassedOver({"beside_images": 25}, names)]))
        images = listed.images | beam.combiners.Count.Globally()
        assert_that(images, equal_to([24]), label="Images")
