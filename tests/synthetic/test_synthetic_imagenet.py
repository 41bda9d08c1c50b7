import io
import re
import tarfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from imagenet_beam.pipeline.synthetic.hard_images import BAD_KINDS, GOOD_KINDS, HARD_IMAGES
from imagenet_beam.pipeline.synthetic.imagenet import Expected, SyntheticImageNet, write_imagenet
from imagenet_beam.pipeline.synthetic.pictures import (
    COLORS,
    SHAPES,
    draw_picture,
    plan_layout,
    shuffled,
)
from imagenet_beam.pipeline.synthetic.plan import choose_classes
from imagenet_beam.transforms.archives.official_names import validation_number
from imagenet_beam.transforms.elements import BoundingBox
from imagenet_beam.transforms.errors import ImageRejected, InputError
from imagenet_beam.transforms.images.encode import encode_image
from imagenet_beam.transforms.images.options import ImageOptions
from imagenet_beam.transforms.labels.devkit import read_devkit, truth_by_number
from imagenet_beam.transforms.labels.label_files import (
    read_caffe_labels,
    read_class_list,
    read_class_texts,
    read_loc_solution,
    read_map_clsloc,
    read_validation_wnids,
)

SMALL = SyntheticImageNet(
    classes=6,
    train_per_class=8,
    validation_per_class=5,
    test_images=3,
    image_width=64,
    image_height=48,
    bad_images=True,
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Expected]:
    folder = tmp_path_factory.mktemp("imagenet")
    return folder, write_imagenet(folder, SMALL)


def members(source: Path | bytes) -> dict[str, bytes]:
    """Name and content of each file, in the archive's order."""
    file = io.BytesIO(source if isinstance(source, bytes) else source.read_bytes())
    with tarfile.open(fileobj=file) as tar:
        files = [member for member in tar if member.isfile()]
        return {member.name: tar.extractfile(member).read() for member in files}


def train_images(folder: Path) -> dict[str, dict[str, bytes]]:
    outer = members(folder / "ILSVRC2012_img_train.tar")
    return {name.removesuffix(".tar"): members(data) for name, data in outer.items()}


def test_train_archive_is_a_tar_of_unordered_class_tars(written):
    folder, expected = written
    found = train_images(folder)
    assert {name: wnid for wnid, images in found.items() for name in images} == expected.train
    assert list(found) != sorted(found)
    assert sum(list(images) != sorted(images) for images in found.values()) >= 5
    numbers = [int(re.fullmatch(r"n\d{8}_(\d+)\.JPEG", name)[1]) for name in expected.train]
    assert len({len(str(number)) for number in numbers}) > 1
    assert not set(numbers) >= set(range(min(numbers), min(numbers) + 8))


def test_validation_and_test_archives(written):
    folder, expected = written
    names = list(members(folder / "ILSVRC2012_img_val.tar"))
    assert sorted(names) == [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 31)]
    assert names != sorted(names)
    assert list(expected.validation) == sorted(names)
    test_names = list(members(folder / "ILSVRC2012_img_test_v10102019.tar"))
    assert test_names == [f"test/ILSVRC2012_test_{number:08d}.JPEG" for number in (1, 2, 3)]


def test_devkit_gives_the_expected_labels(written):
    folder, expected = written
    path = folder / "ILSVRC2012_devkit_t12.tar.gz"
    devkit = read_devkit(path.read_bytes(), path.name)
    by_number = truth_by_number(devkit)
    assert {number: by_number[number] for number in by_number} == {
        validation_number(name): wnid for name, wnid in expected.validation.items()
    }
    assert {row.wnid: row.ilsvrc2012_id for row in devkit.classes} == expected.ilsvrc_ids
    assert [row.ilsvrc2012_id for row in devkit.classes] == [1, 2, 3, 4, 5, 6]
    by_label = [expected.ilsvrc_ids[wnid] for wnid in expected.wnids]
    assert all(number != label + 1 for label, number in enumerate(by_label))


def test_meta_mat_has_the_real_fields_and_narrow_integers(tmp_path):
    many = SyntheticImageNet(
        classes=300,
        train_per_class=1,
        validation_per_class=1,
        image_width=8,
        image_height=8,
        hard_images=False,
    )
    write_imagenet(tmp_path, many)
    meta = members(tmp_path / "ILSVRC2012_devkit_t12.tar.gz")["ILSVRC2012_devkit_t12/data/meta.mat"]
    synsets = loadmat(io.BytesIO(meta))["synsets"]
    assert synsets.shape == (303, 1)
    assert synsets.dtype.names == (
        "ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children",
        "wordnet_height", "num_train_images",
    )  # fmt: skip
    texts = {row["WNID"].item(): row["words"].item() for row in synsets[:, 0]}
    assert texts.items() > Expected(many).words.items()
    assert texts["n01440764"] == "tench, Tinca tinca"
    assert all("pictures show a " in row["gloss"].item() for row in synsets[:300, 0])
    assert [row["num_train_images"].item() for row in synsets[:, 0]] == [1] * 300 + [0] * 3
    assert [row["wordnet_height"].item() for row in synsets[:, 0]] == [0] * 300 + [1, 1, 2]
    assert all(row["children"].size == 0 for row in synsets[:300, 0])
    ids = [row["ILSVRC2012_ID"] for row in synsets[:, 0]]
    assert [int(number.item()) for number in ids] == list(range(1, 304))
    assert (ids[0].dtype, ids[-1].dtype) == (np.uint8, np.uint16)
    leaves = {int(row["ILSVRC2012_ID"].item()) for row in synsets[:300, 0]}
    *branches, root = synsets[300:, 0]
    children = [set(row["children"].ravel().tolist()) for row in branches]
    assert children[0] | children[1] == leaves and not children[0] & children[1]
    assert root["children"].tolist() == [[301, 302]]
    assert [row["num_children"].item() for row in branches] == [len(c) for c in children]


def test_label_files_agree_in_all_forms(written):
    folder, expected = written
    data = {path.name: path.read_bytes() for path in (folder / "labels").iterdir()}
    truth = {validation_number(name): wnid for name, wnid in expected.validation.items()}
    for name in ("imagenet_lsvrc_2015_synsets.txt", "synsets.txt"):
        assert read_class_list(data.pop(name), name) == expected.wnids
    name = "imagenet_2012_validation_synset_labels.txt"
    assert read_validation_wnids(data.pop(name), name) == truth
    assert read_caffe_labels(data.pop("val.txt"), "val.txt", expected.wnids) == truth
    solution = data.pop("LOC_val_solution.csv")
    assert read_loc_solution(solution, "solution") == truth
    assert solution.split() != sorted(solution.split())
    for name in ("synset_words.txt", "LOC_synset_mapping.txt"):
        assert read_class_texts(data.pop(name), name) == expected.words
    metadata = read_class_texts(data.pop("imagenet_metadata.txt"), "metadata")
    assert metadata.items() > expected.words.items()
    clsloc = read_map_clsloc(data.pop("map_clsloc.txt"), "map_clsloc.txt")
    assert {wnid: number for wnid, (number, _) in clsloc.items()} == expected.ilsvrc_ids
    assert not data


def test_each_hard_kind_is_once_in_each_split_and_has_its_fate(written):
    folder, expected = written
    train = {
        name: data for images in train_images(folder).values() for name, data in images.items()
    }
    validation = members(folder / "ILSVRC2012_img_val.tar")
    for images in (train, validation):
        kinds = {name: kind for name, kind in expected.kinds.items() if name in images}
        assert sorted(kinds.values()) == sorted(HARD_IMAGES)
        fates = {name: fate_of(data) for name, data in images.items()}
        assert {name: fates[name] for name in kinds} == {n: expected.fates[n] for n in kinds}
        assert {fates[name] for name in images.keys() - kinds.keys()} == {"record"}


def fate_of(data: bytes) -> str:
    try:
        encode_image(data, ImageOptions())
    except ImageRejected as rejected:
        return rejected.reason
    return "record"


def test_hard_and_bad_images_can_be_left_out():
    plain = Expected(SyntheticImageNet(hard_images=False))
    assert plain.kinds == {}
    good = Expected(SyntheticImageNet())
    assert set(good.kinds.values()) == set(GOOD_KINDS)
    bad = Expected(SyntheticImageNet(hard_images=False, bad_images=True))
    assert set(bad.kinds.values()) == set(BAD_KINDS)
    assert len({name.split("_")[0] for name in good.kinds if name.startswith("n")}) == 10


def sample_picture() -> Image.Image:
    """Four differently coloured quarters."""
    quarters = Image.new("RGB", (2, 2))
    quarters.putdata([(220, 40, 40), (40, 180, 60), (40, 80, 220), (240, 220, 60)])
    return quarters.resize((96, 64), Image.Resampling.NEAREST)


def hard_image(kind: str) -> bytes:
    return HARD_IMAGES[kind].make(sample_picture())


@pytest.mark.parametrize(
    "kind", ["png", "png_palette", "png_alpha", "cmyk", "cmyk_unmarked", "ycck"]
)
def test_hard_images_show_the_colours_they_were_made_from(kind):
    shown = Image.open(io.BytesIO(hard_image(kind))).convert("RGB")
    difference = np.asarray(shown, int) - np.asarray(sample_picture(), int)
    assert np.abs(difference).mean() < 1


@pytest.mark.parametrize(
    ("kind", "mode", "trait"),
    [
        ("cmyk", "CMYK", {"adobe_transform": 0}),
        ("ycck", "CMYK", {"adobe_transform": 2}),
        ("gray", "L", {}),
        ("progressive", "RGB", {"progressive": 1}),
        ("png_palette", "P", {}),
        ("png_alpha", "RGBA", {}),
        ("png_16_bit_gray", "I;16", {}),
    ],
)
def test_hard_images_are_what_their_names_say(kind, mode, trait):
    image = Image.open(io.BytesIO(hard_image(kind)))
    assert image.mode == mode
    assert trait.items() <= image.info.items()


def test_unmarked_orientation_and_bomb():
    assert b"Adobe" not in hard_image("cmyk_unmarked")
    turned = Image.open(io.BytesIO(hard_image("exif_orientation_6")))
    assert (turned.size, turned.getexif()[0x0112]) == ((64, 96), 6)
    assert len(hard_image("bomb")) < 4096


def clean(xml: bytes) -> tuple[BoundingBox, ...]:
    root = ElementTree.fromstring(xml)  # noqa: S314 - made by this test
    width, height = (int(root.findtext(f"size/{side}")) for side in ("width", "height"))
    boxes = []
    for node in root.iter("bndbox"):
        x = sorted(min(int(node.findtext(e)), width) / width for e in ("xmin", "xmax"))
        y = sorted(min(int(node.findtext(e)), height) / height for e in ("ymin", "ymax"))
        if x[0] < x[1] and y[0] < y[1]:
            boxes.append(BoundingBox(x[0], y[0], x[1], y[1]))
    return tuple(boxes)


def test_boxes_have_quirks_and_are_as_expected(written):
    folder, expected = written
    train = members(folder / "ILSVRC2012_bbox_train_v2.tar.gz")
    validation = members(folder / "ILSVRC2012_bbox_val_v3.tgz")
    stranger = train.pop("./n00007846/n00007846_64193.xml")
    assert clean(stranger)
    xml = {f"{Path(name).stem}.JPEG": data for name, data in {**train, **validation}.items()}
    assert {name: clean(data) for name, data in xml.items()} == expected.boxes
    assert expected.boxes.keys() >= expected.validation.keys()
    assert 0 < len(train) < len(expected.train)
    text = b"".join(xml.values())
    assert b"<filename>%s</filename>" in text
    assert b"<name>cock</name>" in text
    assert all(name.split("/")[1] in expected.wnids for name in train)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("key", range(3))
def test_boxes_enclose_the_shape_tightly(shape, key):
    layout = plan_layout(200, 150, "any", key)
    pixels = np.asarray(draw_picture(shape, "red", layout, "caption"), int)
    left, top, right, bottom = layout.box
    # The background has the same colour all along a row, and shapes do not span pictures.
    assert left or right < layout.width
    drawn = (pixels != pixels[:, :1] if left else pixels != pixels[:, -1:]).any(axis=2)
    rows, columns = np.nonzero(drawn[:bottom])
    assert (columns.min(), rows.min()) >= (left, top)
    assert columns.max() < right
    assert abs(columns.min() - left) + abs(right - 1 - columns.max()) <= 2
    assert abs(rows.min() - top) + abs(bottom - 1 - rows.max()) <= 2


def test_pictures_of_a_class_differ_in_size_place_and_background():
    layouts = [plan_layout(500, 375, "any", number) for number in range(50)]
    assert len(set(layouts)) == 50
    for values in zip(*(layout.box for layout in layouts), strict=True):
        assert max(values) - min(values) > 100
    assert max(layout.hue for layout in layouts) - min(layout.hue for layout in layouts) > 0.5
    assert {layout.width > layout.height for layout in layouts} == {True, False}


def test_shape_and_colour_tell_the_classes_apart():
    """The picture whose box is the most similar is one of the same class."""
    looks = [(row.shape, row.color) for row in choose_classes(40)]
    assert len({(row.shape, row.color) for row in choose_classes(195)}) == 195
    assert set(looks) <= {(shape, color) for shape in SHAPES for color in COLORS}

    def look_at(label: int, number: int) -> np.ndarray:
        layout = plan_layout(96, 72, "any", label, number)
        picture = draw_picture(*looks[label], layout, "caption").crop(layout.box)
        return np.asarray(picture.resize((16, 16), Image.Resampling.BOX), int)

    examples = np.array([[look_at(label, n) for n in range(4)] for label in range(len(looks))])
    for label in range(len(looks)):
        gaps = np.abs(examples - look_at(label, 4)).sum(axis=(2, 3, 4)).min(axis=1)
        assert np.argmin(gaps) == label


def test_same_numbers_same_bytes_and_another_seed_other_bytes(written, tmp_path):
    folder, _ = written
    write_imagenet(tmp_path / "again", SMALL)
    first = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
    again = {path: (tmp_path / "again" / path).read_bytes() for path in first}
    assert again == first
    other = SyntheticImageNet(classes=6, train_per_class=8, seed=1)
    assert Expected(other).train.keys() != Expected(SMALL).train.keys()


def test_tiny_pictures_are_readable(tmp_path):
    spec = SyntheticImageNet(
        classes=2, train_per_class=40, image_width=8, image_height=8, hard_images=False, boxes=False
    )
    write_imagenet(tmp_path, spec)
    assert not list(tmp_path.glob("*bbox*"))
    for images in train_images(tmp_path).values():
        assert all(fate_of(data) == "record" for data in set(images.values()))


def test_progress_counts_to_the_estimate(tmp_path):
    calls: list[None] = []
    write_imagenet(tmp_path, SMALL, lambda: calls.append(None))
    assert len(calls) == SMALL.images == 81


def test_an_interrupted_archive_is_not_left_behind(tmp_path):
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_imagenet(tmp_path, SMALL, interrupt)
    assert not [path.name for path in tmp_path.iterdir() if "img" in path.name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": 0}, "--classes=0 is not between 1 and 100,000."),
        ({"train_per_class": 0}, "--train_per_class=0 "),
        ({"validation_per_class": -1}, "--validation_per_class=-1 "),
        ({"test_images": -1}, "--test_images=-1 "),
        ({"image_width": 7}, "--image_width=7 is not between 8 and 8,192."),
        ({"image_height": 9000}, "--image_height=9000 "),
    ],
)
def test_wrong_numbers_are_refused(change, message):
    with pytest.raises(InputError, match=re.escape(message)):
        SyntheticImageNet(**change)


def test_output_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"--output_dir=.*file/out cannot be written to"):
        write_imagenet(tmp_path / "file" / "out", SMALL)


def test_real_archives_are_never_replaced_and_synthetic_ones_are(tmp_path):
    tiny = SyntheticImageNet(2, 2, 1, test_images=1, image_width=8, image_height=8)
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(b"downloaded")
    with pytest.raises(InputError, match=r"holds ILSVRC2012_img_val\.tar, which is not synthetic"):
        write_imagenet(tmp_path, tiny)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"downloaded"]
    write_imagenet(tmp_path / "new", tiny)
    write_imagenet(tmp_path / "new", replace(tiny, test_images=0, boxes=False))
    left = sorted(path.name for path in (tmp_path / "new").glob("ILSVRC2012*"))
    assert left == [
        "ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar",
    ]  # fmt: skip


def test_catalog_reaches_the_size_of_21k_and_repeats_names():
    classes = choose_classes(25_000)
    wnids = [row.wnid for row in classes]
    assert wnids == sorted(set(wnids)) and len(wnids) == 25_000
    assert all(re.fullmatch(r"n\d{8}", wnid) for wnid in wnids)
    assert {row.shape for row in classes} == SHAPES.keys()
    named = {
        name: [r.wnid for r in choose_classes(20) if r.name == name]
        for name in ("crane", "maillot")
    }
    assert named == {"crane": ["n02012849", "n03126707"], "maillot": ["n03710637", "n03710721"]}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_orders_are_permutations(count):
    assert sorted(shuffled(count, "key")) == list(range(count))


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_no_class_has_its_label_as_its_number(count):
    ids = list(Expected(SyntheticImageNet(count)).ilsvrc_ids.values())
    assert sorted(ids) == list(range(1, count + 1))
    assert count == 1 or all(number != label + 1 for label, number in enumerate(ids))
