"""The committed pictures in every form in which people have them; nothing of the product.

Archives are written with the standard library and fixed times. Their images' bytes are
committed (see `make_images.py`); pixels of CIFAR-10 and MNIST follow from a formula.
"""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

HERE = Path(__file__).parent
TIME = 1_340_000_000
Files = Mapping[str, bytes]

WORDS = {  # by wnid: ILSVRC2012_ID and words, as meta.mat has them
    "n01440764": (3, "tench, Tinca tinca"),
    "n01443537": (1, "goldfish, Carassius auratus"),
    "n02119789": (4, "kit fox, Vulpes macrotis"),
    "n07745940": (2, "strawberry"),
}
WNIDS = tuple(sorted(WORDS))
BY_ID = {number: wnid for wnid, (number, _) in WORDS.items()}
TRUTH = (3, 1, 4, 2, 2, 4, 1, 3)
"""The ILSVRC2012_ID of each validation image."""

FLOWERS = ("roses", "sunflowers", "daisy", "dandelion", "tulips")
KAGGLE = "ILSVRC/Data/CLS-LOC"


def picture(number: int) -> bytes:
    return (HERE / "images" / "plain" / f"plain_{number % 24:02d}.jpg").read_bytes()


def folder_of_images(kind: str) -> dict[str, bytes]:
    """All of `odd` or `bad`, below a class folder of that name."""
    paths = sorted((HERE / "images" / kind).iterdir())
    return {f"{kind}/{path.name}": path.read_bytes() for path in paths}


TRAIN = {
    f"{wnid}_{number}.JPEG": picture(3 * at + place)
    for at, wnid in enumerate(WNIDS)
    for place, number in enumerate((18, 9, 10026))
}
VALIDATION = {
    f"ILSVRC2012_val_{number:08d}.JPEG": picture(11 + number) for number in range(1, 1 + len(TRUTH))
}
TEST = {f"ILSVRC2012_test_{number:08d}.JPEG": picture(19 + number) for number in (1, 2, 3)}


def val_wnid(name: str) -> str:
    return BY_ID[TRUTH[int(name[15:23]) - 1]]


IN_FOLDERS = {f"{name[:9]}/{name}": data for name, data in TRAIN.items()}
VALIDATION_IN_FOLDERS = {f"{val_wnid(name)}/{name}": data for name, data in VALIDATION.items()}


def tar(files: Files, mode: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), TIME
            archive.addfile(info, io.BytesIO(data))
    pack: dict[str, Callable[[bytes], bytes]] = {
        "": bytes,
        "gz": lambda data: gzip.compress(data, mtime=TIME),
        "bz2": bz2.compress,
        "xz": lzma.compress,
    }
    return pack[mode](buffer.getvalue())


def zipped(files: Files, method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, (2012, 6, 18, 6, 13, 20))
            info.compress_type, info.external_attr = method, 0o644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def class_tars(images: Files, order: Iterable[str]) -> dict[str, bytes]:
    return {
        f"{wnid}.tar": tar({name: data for name, data in images.items() if name.startswith(wnid)})
        for wnid in order
    }


def write(folder: Path, files: Files) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def lines(*rows: str) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def xml(size: tuple[int, int], *boxes: tuple[int, int, int, int], name: str = "x") -> bytes:
    """PASCAL-VOC, as the annotations of ImageNet are."""
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for left, top, right, bottom in boxes
    )
    return (
        f"<annotation><folder>val</folder><filename>{name}</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height><depth>3</depth></size>{objects}</annotation>"
    ).encode()


BOX = xml((24, 16), (2, 3, 20, 12))
TRAIN_BOXES = {
    "./n01440764/n01440764_18.xml": BOX,
    "./n01440764/n01440764_9.xml": xml((16, 24), (1, 1, 30, 9), (4, 4, 8, 8)),  # reaches out
    "./n01443537/n01443537_9.xml": xml((48, 32), (20, 30, 10, 6)),  # other size, exchanged
    "./n02119789/n02119789_10026.xml": xml((24, 16), (5, 5, 5, 9)),  # empty
    "./n07745940/n07745940_18.xml": xml((32, 12), (0, 0, 32, 12), (1, 2, 3, 4), (8, 1, 9, 11)),
    "./n00007846/n00007846_64193.xml": xml((500, 375), (10, 20, 200, 300)),  # of no image
}
VALIDATION_BOXES = {
    "val/ILSVRC2012_val_00000001.xml": xml((20, 20), (1, 2, 10, 20), name="n01440764"),
    "val/ILSVRC2012_val_00000003.xml": xml((12, 18), (0, 0, 6, 9), (6, 9, 12, 18)),
}
BOXES_CSV = lines(
    "ILSVRC2012_val_00000001.JPEG,0.0500,0.1000,0.5000,1.0000",
    "ILSVRC2012_val_00000002.JPEG,0.2500,0.0000,0.7500,0.3333",
    "n01440764_18.JPEG,0.0000,0.0000,1.0000,1.0000",
)


def devkit_files(truth: Iterable[int] = TRUTH) -> dict[str, bytes]:
    top = "ILSVRC2012_devkit_t12"
    return {
        f"{top}/readme.txt": b"Four classes in the form of the development kit.\n",
        f"{top}/data/meta.mat": (HERE / "meta.mat").read_bytes(),
        f"{top}/data/ILSVRC2012_validation_ground_truth.txt": lines(*map(str, truth)),
    }


def label_files() -> dict[str, bytes]:
    words = [f"{wnid} {text}" for wnid, (_, text) in sorted(WORDS.items())]
    wnids = [BY_ID[number] for number in TRUTH]
    listed = ("n07745940", "n01440764", "n02119789", "n01443537")
    clsloc = [
        f"{BY_ID[number]} {number} {WORDS[BY_ID[number]][1].split(',')[0].replace(' ', '_')}"
        for number in sorted(BY_ID)
    ]
    solution = [
        f"ILSVRC2012_val_{number:08d},{wnids[number - 1]} 1 2 10 20 "
        for number in (4, 8, 1, 3, 2, 7, 6, 5)
    ]
    return {
        "imagenet_lsvrc_2015_synsets.txt": lines(*WNIDS),
        "imagenet_2012_validation_synset_labels.txt": lines(*wnids),
        "imagenet_metadata.txt": lines(
            "n00001740\tentity", *(row.replace(" ", "\t", 1) for row in words)
        ),
        "synsets.txt": lines(*listed),
        "synset_words.txt": lines(*words),
        "val.txt": lines(
            *(f"{name} {listed.index(val_wnid(name))}" for name in sorted(VALIDATION))
        ),
        "map_clsloc.txt": lines(*clsloc),
        "LOC_synset_mapping.txt": lines(*words),
        "LOC_val_solution.csv": lines("ImageId,PredictionString", *solution),
        "classes.csv": lines(
            "# label_order=listed label_base=0",
            "label,ilsvrc2012_id,wnid,text,unique_name",
            '0,4,n02119789,"kit fox, Vulpes macrotis",kit fox',
            "1,3,n01440764,tench,tench",
            "2,2,n07745940,strawberry,strawberry",
            "3,1,n01443537,goldfish,goldfish",
        ),
        "two_files.txt": lines("train/n01440764_9.JPEG", "n07745940_18.JPEG"),
        "strange_file.txt": lines("n01440764_9.JPEG", "n01440764_1.JPEG"),
        "other_val.txt": lines(*wnids[1:], wnids[0]),
        "other_words.txt": lines(*(f"{wnid} a thing" for wnid in WNIDS)),
        "other_list.txt": lines("n00000001", "n00000002"),
    }


def official() -> dict[str, bytes]:
    train = class_tars(TRAIN, ("n02119789", "n01440764", "n07745940", "n01443537"))
    shuffled = {name: VALIDATION[name] for name in sorted(VALIDATION, key=lambda n: n[::-1])}
    return {
        "ILSVRC2012_img_train.tar": tar(train),
        "ILSVRC2012_img_val.tar": tar(shuffled),
        "ILSVRC2012_img_test_v10102019.tar": tar({f"test/{n}": d for n, d in TEST.items()}),
        "ILSVRC2012_devkit_t12.tar.gz": tar(devkit_files(), "gz"),
        "ILSVRC2012_bbox_train_v2.tar.gz": tar(TRAIN_BOXES, "gz"),
        "ILSVRC2012_bbox_val_v3.tgz": tar(VALIDATION_BOXES, "gz"),
    }


def hugging_face() -> dict[str, bytes]:
    names = sorted(TRAIN)
    parts = {
        f"train_images_{part}.tar.gz": tar(
            {f"{name[:-5]}_{name[:9]}.JPEG": TRAIN[name] for name in names[part::3]}, "gz"
        )
        for part in range(3)
    }
    val = {f"{name[:-5]}_{val_wnid(name)}.JPEG": data for name, data in VALIDATION.items()}
    return {**parts, "val_images.tar.gz": tar(val, "gz")}


def kaggle() -> dict[str, bytes]:
    return {
        "ILSVRC/Annotations/CLS-LOC/train/n01440764/n01440764_18.xml": BOX,
        **{f"{KAGGLE}/test/{name}": data for name, data in TEST.items()},
        **{f"{KAGGLE}/train/{name}": data for name, data in IN_FOLDERS.items()},
        **{f"{KAGGLE}/val/{name}": data for name, data in VALIDATION.items()},
        "ILSVRC/ImageSets/CLS-LOC/test.txt": lines("ILSVRC2012_test_00000001 1"),
    }  # fmt: skip


def winter21() -> dict[str, bytes]:
    """The shape of ImageNet-21k, and a text before the class tars."""
    wnids = ("n15102894", "n00004475", "n09876701", "n02119789", "n00005787", "n12345678")
    images = {f"{wnid}_{at}{n}.JPEG": picture(at + n) for at, wnid in enumerate(wnids)
              for n in (7, 1)}  # fmt: skip
    return {"README": b"hello\n", **class_tars(images, wnids)}


def flowers() -> dict[str, bytes]:
    return {
        "flower_photos/LICENSE.txt": b"None of these is a flower.\n",
        **{
            f"flower_photos/{name}/{10 * at + number}_{'ab'[number % 2]}f_n.jpg": picture(
                3 * at + number
            )
            for at, name in enumerate(FLOWERS)
            for number in range(3)
        },
    }


def pixels(seed: int, count: int) -> bytes:
    return bytes((seed * 31 + at * (1 + seed % 3) + at // 29) % 256 for at in range(count))


def python2_pickle(value: object) -> bytes:
    """Protocol 2 as Python 2 wrote it, of what a batch of CIFAR-10 holds."""

    def text(data: bytes) -> bytes:
        if len(data) < 256:
            return b"U" + bytes([len(data)]) + data
        return b"T" + struct.pack("<i", len(data)) + data

    def save(item: object) -> bytes:
        if isinstance(item, dict):
            return b"}(" + b"".join(save(k) + save(v) for k, v in item.items()) + b"u"
        if isinstance(item, list):
            return b"](" + b"".join(map(save, item)) + b"e"
        if isinstance(item, bytes):
            return text(item)
        if isinstance(item, int):
            return b"K" + bytes([item])
        assert isinstance(item, tuple)  # rows and bytes of an array
        rows, data = item
        return (
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b")
            + b"\x87R(K\x01(K" + bytes([rows]) + b"M" + struct.pack("<H", len(data) // rows)
            + b"tcnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|")
            + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89" + text(data) + b"tb"
        )  # fmt: skip

    return b"\x80\x02" + save(value) + b"."


def cifar10() -> dict[str, bytes]:
    python, binary = {}, {}
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for at, name in enumerate(names):
        count = 10 if name == "test_batch" else 2
        labels = [(2 * at + 3 * row) % 10 for row in range(count)]
        images = [pixels(2 * at + row, 3072) for row in range(count)]
        python[f"cifar-10-batches-py/{name}"] = python2_pickle(
            {
                b"batch_label": b"a batch",
                b"labels": labels,
                b"data": (count, b"".join(images)),
                b"filenames": [b"frog_s_%06d.png" % (row * at) for row in range(count)],
            }
        )
        rows = (bytes([label]) + image for label, image in zip(labels, images, strict=True))
        binary[f"cifar-10-batches-bin/{name}.bin"] = b"".join(rows)
    return {
        "cifar-10-python.tar.gz": tar(python, "gz"),
        "cifar-10-binary.tar.gz": tar(binary, "gz"),
    }


def mnist() -> dict[str, bytes]:
    files = {}
    for name, count in (("train", 12), ("t10k", 10)):
        images = b"".join(pixels(number, 784) for number in range(count))
        labels = bytes((3 * number) % 10 for number in range(count))
        files[f"{name}-images-idx3-ubyte"] = struct.pack(">4I", 0x803, count, 28, 28) + images
        files[f"{name}-labels-idx1-ubyte"] = struct.pack(">2I", 0x801, count) + labels
    return files


def broken() -> dict[str, bytes]:
    """What people give by mistake."""
    page = b"<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>\n" * 20
    train, val = official()["ILSVRC2012_img_train.tar"], official()["ILSVRC2012_img_val.tar"]
    names = sorted(VALIDATION)
    other_year = {name.replace("2012", "2010"): data for name, data in VALIDATION.items()}
    strange = {**VALIDATION, "ILSVRC2012_val_00000099.JPEG": picture(0)}
    doubled = class_tars(TRAIN, WNIDS)
    twice = tar({"n01440764_9.JPEG": picture(0)})
    doubled["n01440764.tar"] = twice[:1024] + doubled["n01440764.tar"]
    inner = tar({"n02085620_7.JPEG": picture(1)})
    truncated = class_tars(TRAIN, WNIDS)
    truncated["n01440764.tar"] = truncated["n01440764.tar"][:900]
    moved = {f"{WNIDS[at % 4]}/{name}": VALIDATION[name] for at, name in enumerate(names)}
    return {
        "empty": b"",
        "page.tar": page,
        "text.tar": b"no archive" * 200,
        "nothing.tar.gz": gzip.compress(b"no archive" * 200, mtime=0),
        "empty.tar": tar({}),
        "texts.tar": tar({"readme.txt": b"x", "._a.JPEG": b"hidden"}),
        "train_cut.tar": train[:9000],
        "val_cut.tar": val[:3000],
        "cut.zip": zipped(kaggle(), zipfile.ZIP_STORED)[:-300],
        "cut.tar.gz": tar(IN_FOLDERS, "gz")[:-500],
        "unknown_class.tar": tar(
            {**class_tars(TRAIN, WNIDS[1:]), "n09999999.tar": tar({"n09999999_1.JPEG": b"x"})}
        ),
        "missing_class.tar": tar(class_tars(TRAIN, WNIDS[1:])),
        "truncated_class.tar": tar(truncated),
        "doubled.tar": tar(doubled),
        "dogs.tar": tar({f"n{2085620 + number:08d}.tar": inner for number in range(120)}),
        "mixed.tar": tar({"n01440764_1.JPEG": picture(0), "n01440764.tar": inner}),
        "leads_out.tar": tar({"../n01440764_1.JPEG": picture(0)}),
        "other_year.tar": tar(other_year),
        "strange_number.tar": tar(strange),
        "strange_name.tar": tar({**VALIDATION, "holiday.JPEG": picture(0)}),
        "moved_val.tar": tar(moved),
        "devkit_of_ten.tar.gz": tar(devkit_files((*TRUTH, 1, 2)), "gz"),
        "devkit_of_five.tar.gz": tar(devkit_files((1, 2, 3, 4, 9)), "gz"),
        "devkit_2010.tar": tar({"devkit-1.0/data/meta.txt": b"x", "devkit-1.0/readme.txt": b"y"}),
        "bad_boxes.csv": lines("n01440764_18.JPEG,0.1,0.2,0.3,0.4", "n01440764_9.JPEG,0.9,0,0.1,1"),
        "other_boxes.csv": lines("ILSVRC2012_val_00000001.JPEG,0.3000,0.1000,0.5000,1.0000"),
        "bad_boxes.tar.gz": tar({"val/ILSVRC2012_val_00000001.xml": b"<annotation><si"}, "gz"),
        "blank_line.txt": lines("n01440764", "", "n01443537"),
        "no_labels.txt": lines("hello world, this is a letter"),
        "cifar-10-python.tar.gz": tar({"cifar-10-batches-py/data_batch_1": b"x"}, "gz"),
        "mnist/train-images-idx3-ubyte": mnist()["train-images-idx3-ubyte"],
        "mnist/train-labels-idx1-ubyte": mnist()["t10k-labels-idx1-ubyte"],
        "mnist/t10k-images-idx3-ubyte": mnist()["t10k-images-idx3-ubyte"],
        "mnist/t10k-labels-idx1-ubyte": mnist()["t10k-labels-idx1-ubyte"],
    }


def build(root: Path) -> Path:
    """Writes all of it below a folder that is not there yet."""
    odd, bad = folder_of_images("odd"), folder_of_images("bad")
    any_names = {f"{('cats', 'dogs', 'Big cats')[n % 3]}/{n}.jpg": picture(n) for n in range(6)}
    vehicles = ("train/train/1.jpg", "train/cars/1.jpg", "val/train/2.jpg", "val/cars/2.jpg")
    half = sorted(IN_FOLDERS)
    trees: dict[str, Files] = {
        "official": official(),
        "labels": label_files(),
        "huggingface": hugging_face(),
        "devkit": devkit_files(),
        "kaggle": kaggle(),
        "folders": {
            **{f"train/{name}": data for name, data in IN_FOLDERS.items()},
            "train/.DS_Store": b"x",
            "train/n01440764/._n01440764_1.JPEG": b"x",
            **{f"lower/{n.replace('.JPEG', '.jpg')}": d for n, d in IN_FOLDERS.items()},
            **{f"val/{name}": data for name, data in VALIDATION.items()},
            **{f"val_by_class/{name}": data for name, data in VALIDATION_IN_FOLDERS.items()},
            **{f"pets/{name}": data for name, data in any_names.items()},
        },
        "": {
            "devkit.tar": tar(devkit_files()),
            "bbox_train.tar": tar(TRAIN_BOXES),
            "boxes.csv": BOXES_CSV,
            "kaggle.zip": zipped(kaggle(), zipfile.ZIP_DEFLATED),
            "kaggle_stored.zip": zipped(kaggle(), zipfile.ZIP_STORED),
            "class_folders.tar": tar({f"train/{n}": d for n, d in IN_FOLDERS.items()}),
            "class_tars.tgz": tar(class_tars(TRAIN, WNIDS), "gz"),
            "part1.tar": tar({f"train/{name}": IN_FOLDERS[name] for name in half[::2]}),
            "part2.zip": zipped(
                {name: IN_FOLDERS[name] for name in half[1::2]}, zipfile.ZIP_STORED
            ),
            "packed1.tar.gz": tar({name: IN_FOLDERS[name] for name in half[::3]}, "gz"),
            "packed2.tar.bz2": tar({f"./{name}": IN_FOLDERS[name] for name in half[1::3]}, "bz2"),
            "packed3.tar.xz": tar({f"train/{name}": IN_FOLDERS[name] for name in half[2::3]}, "xz"),
            "flat_test.any": tar(TEST),
            "winter21.tar": tar(winter21()),
            "vehicles.tar": tar({name: picture(at) for at, name in enumerate(vehicles)}),
        },
        "images": {**odd, **bad},
        "odd": odd,
        "boxes": {
            "odd/exif_6.xml": xml((24, 16), (2, 1, 20, 9)),
            "odd/gray.xml": xml((24, 16), (0, 0, 12, 8)),
        },
        "flowers": {"flower_photos.tgz": tar(flowers(), "gz")},
        "flowers_folder": flowers(),
        "cifar10": cifar10(),
        "mnist": {f"{n}.gz": gzip.compress(d, mtime=TIME) for n, d in mnist().items()},
        "mnist_unpacked": {n.replace("-idx", ".idx"): d for n, d in mnist().items()},
        "broken": broken(),
    }
    for folder, files in trees.items():
        write(root / folder, files)
    (root / "none").mkdir()
    (root / "links").mkdir()
    for wnid in WNIDS:
        (root / "links" / wnid).symlink_to(root / "folders" / "lower" / wnid)
    (root / "broken" / "dangling").mkdir()
    (root / "broken" / "dangling" / "n01440764_1.JPEG").symlink_to(root / "nowhere")
    for path in sorted(root.rglob("*"), reverse=True):
        if not path.is_symlink():
            os.utime(path, (TIME, TIME))
    return root
