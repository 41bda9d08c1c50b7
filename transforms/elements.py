"""The elements that travel between the steps of the job."""

from typing import NamedTuple


class ImageRef(NamedTuple):
    """Where one image lies: a byte range of an archive.

    References are what the job shuffles; the image itself is read only by the
    step that writes its shard.

    Attributes:
        archive: Path or URL of the file that holds the image. For Google Cloud
            Storage the generation is pinned: `gs://bucket/object#1234`.
        offset_bytes: Where the image starts in that file.
        size_bytes: How long it is.
        filename: The image's own name without folders; unique in its split.
        wnid: The class that the place of the image tells, or "" if it does not.
        encoding: "" for an image file; otherwise how raw pixels are laid out,
            for example `planar:3x32x32` (see `imagenet_beam.transforms.images.pixels`).
    """

    archive: str
    offset_bytes: int
    size_bytes: int
    filename: str
    wnid: str = ""
    encoding: str = ""


class BoundingBox(NamedTuple):
    """One object, in fractions of the image: each value lies in [0, 1]."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


class LabeledImage(NamedTuple):
    """An image reference with everything that is known about the image.

    Attributes:
        ref: Where the image lies.
        label: The class number as readers will see it; -1 if there is none.
        wnid: The class key ("n01440764"), or "" without a class.
        text: The class as words ("tench, Tinca tinca"), or "".
        boxes: The objects of the class in the image.
    """

    ref: ImageRef
    label: int
    wnid: str
    text: str
    boxes: tuple[BoundingBox, ...] = ()


class Record(NamedTuple):
    """One record's bytes, ready to be framed.

    Attributes:
        data: The serialised `tf.train.Example`.
        wnid: The class, for the counts of the receipt; "" without a class.
        notes: What was remarkable, for the counts of the receipt: `repaired:cmyk`.
    """

    data: bytes
    wnid: str = ""
    notes: tuple[str, ...] = ()


class Reject(NamedTuple):
    """One image that did not become a record.

    Attributes:
        archive: Path or URL of the file it lies in, without a pinned generation.
        filename: The image's own name.
        offset_bytes: Where it starts in the archive.
        wnid: Its class, or "".
        reason: A short stable word for counting.
        detail: What a person needs to know to find the fault.
    """

    archive: str
    filename: str
    offset_bytes: int
    wnid: str
    reason: str
    detail: str
