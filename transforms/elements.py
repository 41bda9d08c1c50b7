"""The elements that travel between the steps of the job."""

from collections.abc import Mapping
from typing import NamedTuple


class ImageRef(NamedTuple):
    """Where one image lies: a byte range of an archive; perhaps with what it holds.

    References without bytes are what the job shuffles: an image is read by the step that
    writes its shard. Only from sources that cannot be read in place do images bring their
    bytes along.

    Attributes:
        archive: Path or URL of the file that holds the image. For Google Cloud
            Storage the generation is pinned: `gs://bucket/object#1234`.
        offset_bytes: Where the image starts in that file.
        size_bytes: How long it is.
        filename: The image's own name without folders; unique in its split.
        wnid: The class that the place of the image tells, or "" if it does not.
        class_index: The class by its place in the list of the data set, where the
            source numbers classes; -1 elsewhere.
        pixels: The layout of raw pixels, for example `planar:3x32x32` (see
            `imagenet_beam.transforms.images.pixels`); "" for an image file.
        zip_entry: How a zip stores the image (see `ZipEntry` in
            `imagenet_beam.transforms.archives.zip`); "" elsewhere.
        data: The image's bytes as the archive stores them; empty where only the
            reference travels.
        fault: Why there is nothing to read, `link` or `sparse`; "" as a rule. The image
            becomes a reject with that reason.
    """

    archive: str
    offset_bytes: int
    size_bytes: int
    filename: str
    wnid: str = ""
    class_index: int = -1
    pixels: str = ""
    zip_entry: str = ""
    data: bytes = b""
    fault: str = ""


class PassedOver(NamedTuple):
    """What a source holds and its reader passes over.

    Attributes:
        counts: How many members by reason, sorted; see `imagenet_beam.transforms.archives.passed`.
        names: The first names, sorted, of those that stand beside images and have another suffix.
    """

    counts: Mapping[str, int] = {}
    names: tuple[str, ...] = ()


class BoundingBox(NamedTuple):
    """One object, in fractions of the image.

    Attributes:
        xmin: Left edge, in [0, 1] of the width.
        ymin: Upper edge, in [0, 1] of the height.
        xmax: Right edge, as `xmin`.
        ymax: Lower edge, as `ymin`.
    """

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
        width: Pixels of its image, for the figures of the receipt; 0 without an image.
        height: Likewise.
        image_bytes: The length of its encoded image.
    """

    data: bytes
    wnid: str = ""
    notes: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    image_bytes: int = 0


class Reject(NamedTuple):
    """One image that did not become a record.

    Attributes:
        archive: Path or URL of the file it lies in, without a pinned generation.
        filename: The image's own name.
        offset_bytes: Where it starts in the archive.
        wnid: Its class, or "".
        reason: A short stable word for counting.
        detail: What a person needs to know to find the fault.
        size_bytes: How long it is in the archive.
    """

    archive: str
    filename: str
    offset_bytes: int
    wnid: str
    reason: str
    detail: str
    size_bytes: int = 0


class ShardReceipt(NamedTuple):
    """The receipt of a published shard.

    Attributes:
        name: The shard's file name, without folders.
        images: Values that went in; equal to `records` + `len(rejects)`.
        records: Records in the shard.
        size_bytes: The file's length.
        crc32c: Checksum of the whole file, as stored by Google Cloud Storage too.
        class_counts: Records of each class, sorted by wnid; empty without classes.
        notes: How often each remarkable thing was seen, sorted.
        rejects: The values that did not become records, in their order.
        plan: Fingerprint of the plan that the shard belongs to; "" without a plan.
        figures: Sizes, shapes and lengths of the images, counted; see `figures_of`.
        first_with: The number in the shard of the first record with each of the notes.
    """

    name: str
    images: int
    records: int
    size_bytes: int
    crc32c: int
    class_counts: tuple[tuple[str, int], ...] = ()
    notes: tuple[tuple[str, int], ...] = ()
    rejects: tuple[Reject, ...] = ()
    plan: str = ""
    figures: tuple[tuple[str, int], ...] = ()
    first_with: tuple[tuple[str, int], ...] = ()
