"""What the net holds: every case, and what is observed of it, as plain JSON.

Only the installed command is used, in this process: see `run`. `{in}` stands for the
folder that `net_inputs.build` writes, `{out}` for an output folder that is not there yet.
"""

import contextlib
import hashlib
import importlib.metadata
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

HERE = Path(__file__).parent
COMMAND = "imagenet-beam"
IN, OUT = "<in>", "<out>"
MANIFEST, STEPS = "manifest.json", "steps"
_STATE = ".imagenet-beam"
_UNPINNED = ("plan", "libraries", "version", "check", "time", "seconds", "created", "duration")
"""Keys of the manifest that hold versions, times, paths or what follows from them."""


class Ended(NamedTuple):
    """How the command ended, with paths as in the golden file."""

    status: int
    printed: list[str]
    said: list[str]


def run(arguments: Sequence[str], inputs: Path, output: Path) -> Ended:
    """Runs the command in this process. This is the only place that knows how it is called."""
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name=COMMAND)
    main: Callable[[list[str]], int | None] = entry.load()
    printed, said = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(said),
        mock.patch.dict(os.environ, {"COLUMNS": os.environ.get("COLUMNS", "100")}),
        _logging_elsewhere(),
        _quick_beam(),
    ):
        try:
            status = main(filled(arguments, inputs, output)) or 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
    return Ended(
        status,
        normal(printed.getvalue(), inputs, output),
        normal(said.getvalue(), inputs, output),
    )


def run_in_a_process(arguments: Sequence[str], inputs: Path, output: Path) -> Ended:
    """Runs the installed script: slower, and with all that libraries log to the terminal."""
    script = Path(sys.executable).with_name(COMMAND)
    done = subprocess.run(
        [str(script), *filled(arguments, inputs, output)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "COLUMNS": "100"},
    )
    return Ended(
        done.returncode, normal(done.stdout, inputs, output), normal(done.stderr, inputs, output)
    )


@contextlib.contextmanager
def _logging_elsewhere() -> Iterator[None]:
    """Keeps what libraries log out of the texts: the first call alone would show it."""
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers[:] = [logging.NullHandler()]
    try:
        yield
    finally:
        root.handlers[:] = before


@contextlib.contextmanager
def _quick_beam() -> Iterator[None]:
    """Lets Beam answer two questions once for each object: half of its time goes there.

    Only how long it takes depends on this: `run_in_a_process` goes without.
    """
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
        from apache_beam.transforms import userstate

        asked = ((userstate, "get_dofn_specs"), (PipelineOptions, "view_as"))
        patches = [mock.patch.object(at, name, _once(getattr(at, name))) for at, name in asked]
    except (ImportError, AttributeError):
        patches = []
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield


def _once(ask: Callable[..., Any]) -> Callable[..., Any]:
    seen: dict[tuple[int, ...], tuple[Any, Any]] = {}  # with the objects, whose ids last as long

    def answer(*objects: Any) -> Any:
        key = tuple(map(id, objects))
        if key not in seen:
            seen[key] = objects, ask(*objects)
        return seen[key][1]

    return answer


def filled(arguments: Sequence[str], inputs: Path, output: Path) -> list[str]:
    return [text.replace("{in}", str(inputs)).replace("{out}", str(output)) for text in arguments]


_ANY_SPEED = (
    re.compile(r"(images?) in [^,]+, [\d,]+ images?/s, peak memory [\d,]+ MB"),
    r"\1 in <time>, <speed>, <memory>",
)
_PROGRESS = re.compile(
    r"checksums: .* \(\d+ %\)$|[\w ']+(, [\d,]+ images? found)?, (\d+ min )?\d+ s$"
    r"|[\d,]+ of [\d,]+ images \(\d+%\), "
)
_ROW = re.compile(r"(\w+)((?: +[\d,]+)+) +(?:\d+ bytes|[\d.]+ [kMG]B)$")
_HEAD = re.compile(r"split  .*")
_ANY_CHOICES = re.compile(r"\(choose from [^)]*\)")


def normal(text: str, inputs: Path, output: Path) -> list[str]:
    """Lines without what differs between machines, runs, and versions of Python."""
    for path, name in ((output, OUT), (inputs, IN)):
        text = text.replace(str(path), name)
    pattern, shown = _ANY_SPEED
    text = pattern.sub(shown, text)
    text = _ANY_CHOICES.sub(lambda found: found[0].replace("'", ""), text)  # as of Python 3.13
    lines = [_ROW.sub(r"\1\2 <size>", line) for line in text.splitlines()]
    lines = [" ".join(line.split()) if _HEAD.match(line) else line for line in lines]
    return [line for line in lines if not _PROGRESS.match(line)]


# ---------------------------------------------------------------- bytes


class Case(NamedTuple):
    """A conversion.

    Attributes:
        flags: Those of `convert`, without `--output_dir`.
        encodes: Whether images are encoded anew, so that bytes depend on libraries.
        steps: Whether the names of all steps are held, too.
        before: Flags of a conversion into the same folder before it, if there is one.
        lost: A file that is removed in between.
    """

    flags: str
    encodes: bool = False
    steps: bool = False
    before: str = ""
    lost: str = ""


_O = "{in}/official/ILSVRC2012_"
TRAIN = f"--train_archive={_O}img_train.tar --train_shards=2"
VAL = f"--validation_archive={_O}img_val.tar --validation_shards=2"
TEST = f"--test_archive={_O}img_test_v10102019.tar --test_shards=1"
DEVKIT = f"--devkit={_O}devkit_t12.tar.gz"
TRAIN_BOXES = f"{_O}bbox_train_v2.tar.gz"
VAL_BOXES = f"{_O}bbox_val_v3.tgz"
L = "{in}/labels"
NONE = "--resize=none"
K = "{in}/kaggle/ILSVRC/Data/CLS-LOC"
KAGGLE_LABELS = (
    f"--validation_labels={L}/LOC_val_solution.csv --class_names={L}/LOC_synset_mapping.txt"
)
PACKED = "--train_archive={in}/packed1.tar.gz,{in}/packed2.tar.bz2,{in}/packed3.tar.xz"
ODD = "--train_directory={in}/odd --allow_any_class_names --train_shards=1"
IMAGES = "--train_directory={in}/images --allow_any_class_names --train_shards=1"
SMALL = "--train_shards=1 --test_shards=1"

BYTES = {
    # every form of input
    "official": Case(f"{TRAIN} {VAL} {TEST} {DEVKIT} {NONE}", steps=True),
    "hugging_face": Case(
        "--train_archive={in}/huggingface/train_images_*.tar.gz --train_shards=2 "
        "--validation_archive={in}/huggingface/val_images.tar.gz --validation_shards=2 "
        f"--class_names={L}/imagenet_metadata.txt {NONE}"
    ),
    "folders": Case(
        "--train_directory={in}/folders/train --train_shards=2 "
        "--validation_directory={in}/folders/val_by_class --validation_shards=2 "
        f"--class_names={L}/synset_words.txt {NONE}",
        steps=True,
    ),
    "folder_of_links_other_suffix": Case(
        f"--train_directory={{in}}/links --train_shards=2 --devkit={{in}}/devkit.tar {NONE}"
    ),
    "folder_of_validation_flat": Case(
        f"--validation_directory={{in}}/folders/val --validation_shards=2 --devkit={{in}}/devkit "
        f"{NONE}"
    ),
    "kaggle_tree": Case(
        f"--train_directory={K}/train --train_shards=2 --validation_directory={K}/val "
        f"--validation_shards=2 --test_directory={K}/test --test_shards=1 {KAGGLE_LABELS} {NONE}"
    ),
    "kaggle_tree_from_its_top": Case(
        f"--train_directory={{in}}/kaggle/ILSVRC --train_shards=2 {DEVKIT} {NONE}"
    ),
    "kaggle_zip": Case(
        "--train_archive={in}/kaggle.zip --train_shards=2 --validation_archive={in}/kaggle.zip "
        "--validation_shards=2 --test_archive={in}/kaggle.zip --test_shards=1 "
        f"{KAGGLE_LABELS} {NONE}"
    ),
    "tar_of_class_folders_and_stored_zip": Case(
        f"--train_archive={{in}}/part1.tar,{{in}}/part2.zip --train_shards=2 {DEVKIT} {NONE}"
    ),
    "tar_gz_bz2_xz_of_class_folders": Case(f"{PACKED} --train_shards=2 {DEVKIT} {NONE}"),
    "tgz_of_class_tars": Case(
        f"--train_archive={{in}}/class_tars.tgz --train_shards=2 {DEVKIT} {NONE}"
    ),
    "imagenet_21k": Case(f"--train_archive={{in}}/winter21.tar --train_shards=3 {NONE}"),
    "any_class_names": Case(
        f"--train_directory={{in}}/folders/pets --allow_any_class_names --train_shards=2 {NONE}"
    ),
    "classes_called_like_splits": Case(
        "--train_archive={in}/vehicles.tar --validation_archive={in}/vehicles.tar "
        f"--allow_any_class_names --train_shards=1 --validation_shards=1 {NONE}"
    ),
    "test_flat": Case(f"--test_archive={{in}}/flat_test.any --test_shards=2 {NONE}"),
    "flowers": Case("--dataset=flowers --input={in}/flowers --holdout=4 --train_shards=2"),
    "flowers_folder": Case(
        "--dataset=flowers --input={in}/flowers_folder/flower_photos --holdout=0 --train_shards=2 "
        "--classes=roses,tulips --schema=tfds"
    ),
    "cifar10_python": Case(
        f"--dataset=cifar10 --input={{in}}/cifar10/cifar-10-python.tar.gz {SMALL}", encodes=True
    ),
    "cifar10_binary": Case(
        f"--dataset=cifar10 --input={{in}}/cifar10/cifar-10-binary.tar.gz {SMALL} --schema=tfds",
        encodes=True,
    ),
    "mnist": Case("--dataset=mnist --input={in}/mnist", encodes=True, steps=True),
    "mnist_unpacked_options": Case(
        "--dataset=mnist --input={in}/mnist_unpacked --classes=three,zero,six --resize=exact:14x7 "
        f"--output_format=jpeg --label_base=1 --holdout=1 {SMALL}",
        encodes=True,
    ),
    # labels, schemas and layout
    "labels_of_validation_by_id": Case(
        f"{VAL} --validation_labels={L}/imagenet_2012_validation_synset_labels.txt "
        f"--class_names={L}/map_clsloc.txt --label_order=ilsvrc2012_id --label_base=0 {NONE}"
    ),
    "labels_of_caffe_by_split": Case(
        f"{VAL} --validation_labels={L}/val.txt --labels_file={L}/synsets.txt "
        f"--class_names={L}/synset_words.txt --output_layout=by_split {NONE}"
    ),
    "labels_of_an_earlier_run": Case(
        f"{TRAIN} --labels_file={L}/classes.csv --label_base=0 {NONE}"
    ),
    "labels_listed_by_wnid_other_seed": Case(
        f"{TRAIN} --labels_file={L}/imagenet_lsvrc_2015_synsets.txt --label_order=wnid {DEVKIT} "
        f"--shuffle_seed=7 --read_threads=3 {NONE}"
    ),
    "schema_tpu_by_devkit_id": Case(
        f"{TRAIN} {DEVKIT} --label_order=ilsvrc2012_id --schema=tpu {NONE}"
    ),
    "schema_tfds": Case(f"{TRAIN} {VAL} {TEST} {DEVKIT} {NONE} --schema=tfds"),
    # boxes
    "boxes_xml": Case(
        f"{TRAIN} {VAL} {DEVKIT} --bounding_boxes={TRAIN_BOXES},{VAL_BOXES} {NONE}", steps=True
    ),
    "boxes_csv": Case(f"{VAL} {DEVKIT} --bounding_boxes={{in}}/boxes.csv {NONE}"),
    "boxes_turned": Case(
        f"{ODD} --bounding_boxes={{in}}/boxes --apply_exif_orientation {NONE}", encodes=True
    ),
    # subsets
    "holdout_per_class": Case(
        f"{TRAIN} {DEVKIT} --holdout_per_class=1 --max_images_per_class=1 --test_shards=2 {NONE}"
    ),
    "holdout_streamed_with_boxes": Case(
        f"{PACKED} --train_shards=1 {DEVKIT} --bounding_boxes={{in}}/bbox_train.tar --holdout=5 "
        f"--holdout_split=validation --validation_shards=1 --selection_seed=3 {NONE}",
        steps=True,
    ),
    "classes_and_fraction": Case(
        f"{TRAIN} {DEVKIT} --classes=n02119789,n01440764,n01443537 --fraction=0.6 "
        f"--selection_seed=5 {NONE}",
        steps=True,
    ),
    "only_files": Case(f"{TRAIN} {DEVKIT} --only_files={L}/two_files.txt {NONE}"),
    # images
    "resize_none_repairs": Case(f"{ODD} {NONE}", encodes=True),
    "resize_default": Case(f"{TRAIN} {DEVKIT}", encodes=True),
    "resize_shorter": Case(f"{TRAIN} {VAL} {DEVKIT} --resize=shorter:11", encodes=True, steps=True),
    "resize_longer": Case(f"{ODD} --resize=longer:13 --jpeg_quality=80", encodes=True),
    "resize_exact": Case(
        f"{ODD} --resize=exact:10x14 --apply_exif_orientation --output_format=PNG", encodes=True
    ),
    "rejects": Case(f"{IMAGES} --resize=shorter:9", encodes=True),
    "rejects_allowed": Case(f"{IMAGES} {NONE} --max_rejects=9", encodes=True),
    # how it runs
    "shuffle_images": Case(
        f"{TRAIN} {VAL} {DEVKIT} {NONE} --shuffle=images --threads=2", steps=True
    ),
    "resumed": Case(
        f"{TRAIN} {DEVKIT} {NONE}", before=f"{TRAIN} {DEVKIT} {NONE}", lost="train-00001-of-00002"
    ),
    "complete_already": Case(f"{VAL} {DEVKIT} {NONE}", before=f"{VAL} {DEVKIT} {NONE}"),
    "overwritten": Case(
        f"--test_archive={{in}}/flat_test.any --test_shards=1 --overwrite {NONE}",
        before=f"--test_archive={{in}}/flat_test.any --test_shards=3 --schema=tfds {NONE}",
    ),
}


def observe_bytes(case: Case, inputs: Path, output: Path) -> dict[str, Any]:
    """Converts, and tells what lies in the output folder."""
    if case.before:
        run(["convert", "--output_dir={out}", *case.before.split()], inputs, output)
    if case.lost:
        (output / case.lost).unlink()
    steps: list[str] = []
    with _steps_seen(steps) if case.steps else contextlib.nullcontext():
        ended = run(["convert", "--output_dir={out}", *case.flags.split()], inputs, output)
    paths = sorted(path for path in output.rglob("*") if path.is_file())
    files = {path.relative_to(output).as_posix(): path.read_bytes() for path in paths}
    plain = {name: data for name, data in files.items() if not name.startswith(_STATE)}
    shown = {name: _portable(name, data, inputs, output) for name, data in plain.items()}
    return {
        "status": ended.status,
        "printed": ended.printed,
        "said": ended.said,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in shown.items()},
        "manifest": list(_flat(json.loads(shown[MANIFEST]))) if MANIFEST in shown else [],
        "texts": {
            name: shown[name].decode().splitlines()
            for name in ("classes.csv", "labels.txt", "rejects.jsonl")
            if name in shown
        },
        "state": sorted(name for name in files if name.startswith(_STATE)),
        **({STEPS: sorted(steps)} if case.steps else {}),
    }


@contextlib.contextmanager
def _steps_seen(names: list[str]) -> Iterator[None]:
    """Takes down the full names of all steps that the command hands to Beam."""
    import apache_beam as beam

    run_it = beam.Pipeline.run

    def look_and_run(pipeline: beam.Pipeline, *given: Any, **named: Any) -> Any:
        transforms = pipeline.to_runner_api().components.transforms.values()
        names.extend(step.unique_name for step in transforms if step.unique_name)
        return run_it(pipeline, *given, **named)

    with mock.patch.object(beam.Pipeline, "run", look_and_run):
        yield


def _portable(name: str, data: bytes, inputs: Path, output: Path) -> bytes:
    """A file without paths of this machine, the manifest also without versions."""
    if "-of-" in name:
        return data
    if name == MANIFEST:
        data = json.dumps(_pinned(json.loads(data)), sort_keys=True).encode()
    for path, shown in ((output, OUT), (inputs, IN)):
        data = data.replace(str(path).encode(), shown.encode())
    return data


def _pinned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _pinned(item) for key, item in value.items() if key not in _UNPINNED}
    return [_pinned(item) for item in value] if isinstance(value, list) else value


def _flat(value: Any, path: str = "") -> Iterator[str]:
    """One line for each fact: `splits.train.records = 12`; short lists stay together."""
    if isinstance(value, dict) and value and not _is_flat(value):
        for key, item in sorted(value.items()):
            yield from _flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and not _is_flat(dict(enumerate(value))):
        for at, item in enumerate(value):
            yield from _flat(item, f"{path}[{at}]")
    else:
        yield f"{path} = {json.dumps(value, sort_keys=True)}"


def _is_flat(value: dict[Any, Any]) -> bool:
    items = list(value.values())
    return len(items) <= 6 and all(not isinstance(item, dict | list) for item in items)


# ---------------------------------------------------------------- inspect

_PACKED = (".gz", ".tgz", ".bz2", ".xz", ".zip")
INSPECTED = (
    *(f"official/ILSVRC2012_{name}" for name in (
        "img_train.tar", "img_val.tar", "img_test_v10102019.tar", "devkit_t12.tar.gz",
        "bbox_train_v2.tar.gz", "bbox_val_v3.tgz")),
    *(f"labels/{name}" for name in (
        "imagenet_lsvrc_2015_synsets.txt", "imagenet_2012_validation_synset_labels.txt",
        "imagenet_metadata.txt", "synsets.txt", "synset_words.txt", "val.txt", "map_clsloc.txt",
        "LOC_synset_mapping.txt", "LOC_val_solution.csv", "classes.csv", "two_files.txt")),
    "huggingface/train_images_0.tar.gz", "huggingface/val_images.tar.gz",
    "devkit", "devkit.tar", "folders/train", "folders/lower", "links", "folders/val",
    "folders/val_by_class", "folders/pets", "kaggle", "kaggle/ILSVRC/Data/CLS-LOC/train",
    "kaggle.zip", "kaggle_stored.zip", "class_folders.tar", "packed1.tar.gz",
    "packed2.tar.bz2", "packed3.tar.xz", "class_tars.tgz", "part2.zip", "winter21.tar",
    "vehicles.tar", "flat_test.any", "images", "boxes", "boxes.csv", "bbox_train.tar",
    "flowers/flower_photos.tgz", "flowers_folder/flower_photos", "cifar10/cifar-10-python.tar.gz",
    "cifar10/cifar-10-binary.tar.gz", "mnist", "mnist/train-images-idx3-ubyte.gz",
    "mnist_unpacked/t10k-labels.idx1-ubyte", "none", "nowhere",
    *(f"broken/{name}" for name in (
        "empty", "page.tar", "text.tar", "nothing.tar.gz", "empty.tar", "texts.tar",
        "train_cut.tar", "val_cut.tar", "cut.zip", "cut.tar.gz", "dogs.tar", "mixed.tar",
        "leads_out.tar", "other_year.tar", "devkit_of_five.tar.gz", "devkit_2010.tar",
        "bad_boxes.tar.gz", "blank_line.txt", "no_labels.txt", "dangling")),
)  # fmt: skip


def observe_inspect(path: str, inputs: Path, output: Path) -> dict[str, Any]:
    """What `inspect` says of one path; sizes of compressed files depend on the compressor."""
    ended = run(["inspect", f"{{in}}/{path}"], inputs, output)
    printed = ended.printed
    if path.endswith(_PACKED):
        printed = [re.sub(r"[\d,]+ bytes$", "<n> bytes", line) for line in printed]
    return {"status": ended.status, "printed": printed, "said": ended.said}


# ---------------------------------------------------------------- mistakes

_BASE = f"convert {TRAIN} {VAL} {DEVKIT}"
_TO = "--output_dir={out}"
_T = f"convert {_TO} --train_shards=1 {DEVKIT}"
_V = f"convert {_TO} --validation_shards=1"
_B = "{in}/broken"

MISTAKES = {
    # the command line
    "unknown_command": "covert",
    "unknown_flag_of_inspect": "inspect --exactly {in}/official",
    "inspect_without_paths": "inspect",
    "inspect_several": "inspect {in}/nowhere {in}/official/ILSVRC2012_img_val.tar",
    "inspect_checksums": "inspect --checksum {in}/official/ILSVRC2012_img_val.tar",
    "misspelt_flag": f"{_BASE} {_TO} --train_shard=3",
    "misspelt_flag_of_beam": f"{_BASE} {_TO} --runer=FlinkRunner",
    "unknown_runner": f"{_BASE} {_TO} --runner=SparkRunner",
    "stray_word": f"{_BASE} {_TO} extra.tar",
    "no_value": f"{_BASE} --output_dir=",
    "list_given_twice": f"{_BASE} {_TO} --train_archive=more.tar",
    "nothing_to_convert": f"convert {_TO}",
    "no_output": _BASE,
    "detached_direct_runner": f"{_BASE} {_TO} --detach",
    "direct_threads_of_beam": f"{_BASE} {_TO} --direct_running_mode=multi_threading",
    "direct_workers": f"{_BASE} {_TO} --direct_num_workers=4",
    "dataflow_without_project": f"{_BASE} {_TO} --runner=DataflowRunner",
    "dataflow_with_local_output": f"{_BASE} {_TO} --runner=DataflowRunner --project=p-12345 "
    "--region=us-central1 --temp_location=gs://some-bucket/tmp",
    "portable_without_endpoint": f"{_BASE} {_TO} --runner=PortableRunner",
    "impossible_bucket": f"{_BASE} --output_dir=gs://Some_Bucket!/out",
    # values
    "shards_0": f"{_BASE} {_TO} --train_shards=0",
    "shards_many": f"{_BASE} {_TO} --train_shards=many",
    "shards_negative": f"{_BASE} {_TO} --validation_shards=-3",
    "shards_more_than_images": f"{_T} --train_archive={_O}img_train.tar --train_shards=13",
    "resize_256": f"{_BASE} {_TO} --resize=256",
    "resize_shorter_0": f"{_BASE} {_TO} --resize=shorter:0",
    "resize_exact_10": f"{_BASE} {_TO} --resize=exact:10",
    "resize_too_large": f"{_BASE} {_TO} --resize=longer:99999",
    "jpeg_quality_101": f"{_BASE} {_TO} --jpeg_quality=101",
    "label_base_2": f"{_BASE} {_TO} --label_base=2",
    "max_rejects_negative": f"{_BASE} {_TO} --max_rejects=-1",
    "threads_negative": f"{_BASE} {_TO} --threads=-2",
    "schema_unknown": f"{_BASE} {_TO} --schema=mine",
    "shuffle_unknown": f"{_BASE} {_TO} --shuffle=pictures",
    "expect_unknown": f"{_BASE} {_TO} --expect=all",
    "format_unknown": f"{_BASE} {_TO} --output_format=gif",
    "dataset_unknown": f"convert --dataset=cifar100 {_TO}",
    "fraction_0": f"{_BASE} {_TO} --fraction=0",
    "fraction_all": f"{_BASE} {_TO} --fraction=all",
    "tfds_from_1": f"{_BASE} {_TO} --schema=tfds --label_base=1",
    "tfds_with_boxes": f"{_BASE} {_TO} --schema=tfds --bounding_boxes={TRAIN_BOXES}",
    "tpu_with_boxes": f"{_BASE} {_TO} --schema=tpu --bounding_boxes={TRAIN_BOXES}",
    "tfds_by_split": f"{_BASE} {_TO} --schema=tfds --output_layout=by_split",
    "listed_without_list": f"{_BASE} {_TO} --label_order=listed",
    "order_that_nothing_gives": f"convert {TRAIN} {_TO} --label_order=ilsvrc2012_id",
    # files that are not there, or something else
    "missing_train": f"{_T} --train_archive={{in}}/typo.tar",
    "missing_devkit": f"convert {TRAIN} {_TO} --devkit={{in}}/typo.tar.gz",
    "missing_folder": f"{_T} --train_directory={{in}}/typo",
    "no_match": f"{_T} --train_archive={{in}}/typo*.tar",
    "empty_folder": f"{_T} --train_directory={{in}}/none",
    "folder_as_archive": f"{_T} --train_archive={{in}}/folders/train",
    "archive_as_folder": f"{_T} --train_directory={_O}img_train.tar",
    "archive_and_folder": f"{_T} --train_archive={_O}img_train.tar --train_directory={{in}}/links",
    "dangling_link": f"{_T} --train_directory={_B}/dangling",
    "page_as_train": f"{_T} --train_archive={_B}/page.tar",
    "empty_file_as_train": f"{_T} --train_archive={_B}/empty",
    "empty_tar_as_train": f"{_T} --train_archive={_B}/empty.tar",
    "texts_as_validation": f"{_V} {DEVKIT} --validation_archive={_B}/texts.tar",
    "gzip_of_text_as_train": f"{_T} --train_archive={_B}/nothing.tar.gz",
    "text_as_devkit": f"convert {TRAIN} {_TO} --devkit={_B}/text.tar",
    "gzip_of_text_as_devkit": f"convert {TRAIN} {_TO} --devkit={_B}/nothing.tar.gz",
    "page_as_devkit": f"convert {TRAIN} {_TO} --devkit={_B}/page.tar",
    "devkit_of_2010": f"convert {TRAIN} {_TO} --devkit={_B}/devkit_2010.tar",
    "devkit_with_a_strange_number": f"{_V} --devkit={_B}/devkit_of_five.tar.gz "
    f"--validation_archive={_O}img_val.tar",
    "archive_as_devkit": f"convert {TRAIN} {_TO} --devkit={_O}img_val.tar",
    "devkit_as_validation": f"{_V} {DEVKIT} --validation_archive={_O}devkit_t12.tar.gz",
    "validation_as_train": f"{_T} --train_archive={_O}img_val.tar",
    "test_as_train": f"{_T} --train_archive={_O}img_test_v10102019.tar",
    "train_as_validation": f"{_V} {DEVKIT} --validation_archive={_O}img_train.tar",
    "test_as_validation": f"{_V} {DEVKIT} --validation_archive={_O}img_test_v10102019.tar",
    "train_as_test": f"convert {_TO} --test_archive={_O}img_train.tar",
    "train_cut_off": f"{_T} --train_archive={_B}/train_cut.tar",
    "validation_cut_off": f"{_V} {DEVKIT} --validation_archive={_B}/val_cut.tar",
    "class_tar_cut_off": f"{_T} --train_archive={_B}/truncated_class.tar",
    "zip_cut_off": f"{_T} --train_archive={_B}/cut.zip",
    "gzip_cut_off": f"{_T} --train_archive={_B}/cut.tar.gz",
    "path_that_leads_out": f"{_T} --train_archive={_B}/leads_out.tar",
    "class_tars_and_images": f"{_T} --train_archive={_B}/mixed.tar --expect=any",
    "dogs_only": f"{_T} --train_archive={_B}/dogs.tar",
    "output_is_a_file": f"{_BASE} --output_dir={_B}/empty",
    "output_below_a_file": f"{_BASE} --output_dir={_B}/empty/below",
    # labels
    "unknown_class": f"{_T} --train_archive={_B}/unknown_class.tar",
    "unknown_class_in_the_job": f"{_T} --train_archive={_B}/unknown_class.tar --expect=any",
    "missing_class": f"{_T} --train_archive={_B}/missing_class.tar",
    "classes_that_are_no_wnids": f"convert {_TO} --train_directory={{in}}/folders/pets "
    "--train_shards=1",
    "devkit_of_another_set": f"{_V} --validation_archive={_O}img_val.tar "
    f"--devkit={_B}/devkit_of_ten.tar.gz",
    "validation_of_another_year": f"{_V} {DEVKIT} --validation_archive={_B}/other_year.tar",
    "validation_without_labels": f"{_V} --validation_archive={_O}img_val.tar",
    "folders_against_devkit": f"{_V} {DEVKIT} --validation_archive={_B}/moved_val.tar",
    "validation_labels_against_devkit": f"{_V} {DEVKIT} --validation_archive={_O}img_val.tar "
    f"--validation_labels={L}/other_val.txt",
    "words_against_devkit": f"{_T} --train_archive={_O}img_train.tar "
    f"--class_names={L}/other_words.txt",
    "list_against_devkit": f"{_T} --train_archive={_O}img_train.tar "
    f"--labels_file={L}/other_list.txt",
    "list_with_a_blank_line": f"{_T} --train_archive={_O}img_train.tar "
    f"--labels_file={_B}/blank_line.txt",
    "letter_as_class_names": f"{_T} --train_archive={_O}img_train.tar "
    f"--class_names={_B}/no_labels.txt",
    "list_to_the_wrong_flag": f"{_V} --validation_archive={_O}img_val.tar "
    f"--validation_labels={L}/synsets.txt",
    "caffe_without_list": f"{_V} --validation_archive={_O}img_val.tar "
    f"--validation_labels={L}/val.txt",
    "name_twice_in_a_class": f"{_T} --train_archive={_B}/doubled.tar",
    "official_counts": f"{_T} --train_archive={_O}img_train.tar --expect=official",
    # subsets
    "holdout_too_many": f"{_T} --train_archive={_O}img_train.tar --holdout_per_class=3 "
    "--test_shards=1",
    "holdout_of_a_given_split": f"{_BASE} {_TO} --holdout=2 --holdout_split=validation",
    "holdout_without_train": f"convert {VAL} {DEVKIT} {_TO} --holdout=2",
    "classes_that_are_unknown": f"{_T} --train_archive={_O}img_train.tar --classes=n00000001",
    "max_images_per_class_0": f"{_BASE} {_TO} --max_images_per_class=0",
    "only_files_that_are_missing": f"{_T} --train_archive={_O}img_train.tar "
    f"--only_files={L}/strange_file.txt",
    # boxes
    "boxes_missing": f"{_BASE} {_TO} --bounding_boxes={{in}}/typo.tgz",
    "boxes_page": f"{_T} --train_archive={_O}img_train.tar --bounding_boxes={_B}/page.tar",
    "boxes_bad_csv": f"{_T} --train_archive={_O}img_train.tar "
    f"--bounding_boxes={_B}/bad_boxes.csv",
    "boxes_that_disagree": f"{_V} {DEVKIT} --validation_archive={_O}img_val.tar "
    f"--bounding_boxes={VAL_BOXES},{_B}/other_boxes.csv",
    "boxes_command": f"bounding_boxes --annotations={TRAIN_BOXES},{VAL_BOXES} --output={{out}}",
    "boxes_command_of_a_class": f"bounding_boxes --annotations={TRAIN_BOXES},{VAL_BOXES} "
    f"--output={{out}} --synsets={L}/imagenet_lsvrc_2015_synsets.txt",
    "boxes_command_without_boxes": f"bounding_boxes --annotations={VAL_BOXES} --output={{out}} "
    f"--synsets={L}/other_list.txt",
    "boxes_command_without_output": f"bounding_boxes --annotations={TRAIN_BOXES}",
    # small data sets
    "input_of_imagenet": f"{_BASE} {_TO} --input={{in}}/mnist",
    "archive_of_a_small_set": f"convert --dataset=mnist {TRAIN} {_TO}",
    "boxes_of_a_small_set": f"convert --dataset=mnist {_TO} --input={{in}}/mnist "
    f"--bounding_boxes={TRAIN_BOXES}",
    "mnist_without_files": f"convert --dataset=mnist {_TO} --input={{in}}/none",
    "mnist_with_other_labels": f"convert --dataset=mnist {_TO} {SMALL} --input={_B}/mnist",
    "cifar_without_files": f"convert --dataset=cifar10 {_TO} --input={{in}}/none",
    "cifar_of_something_else": f"convert --dataset=cifar10 {_TO} {SMALL} "
    f"--input={_B}/cifar-10-python.tar.gz",
    "flowers_that_are_none": f"convert --dataset=flowers {_TO} {NONE} --train_shards=1 "
    "--holdout=0 --input={in}/folders/pets",
    "synthesize_nowhere": "synthesize",
    "synthesize_flag_of_another_set": "synthesize --dataset=mnist --classes=3 --output_dir={out}",
    "download_unknown": "download --dataset=imagenet22k --output_dir={out}",
}  # fmt: skip


def observe_mistake(command: str, inputs: Path, output: Path) -> dict[str, Any]:
    """What is said, the exit status, and what lies in the output folder afterwards."""
    return _told(run(command.split(), inputs, output), output)


def _told(ended: Ended, output: Path) -> dict[str, Any]:
    left = sorted(
        path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()
    )
    told: dict[str, Any] = {**ended._asdict(), "left": left}
    if output.is_file():
        told["written"] = output.read_text().splitlines()
    return told


_KIT = "--devkit={in}/devkit.tar"  # its checksum and sizes are told
CHANGED = {  # each after a conversion of the validation images
    "resize": f"{VAL} {_KIT} --resize=longer:9",
    "shards": f"{VAL} {_KIT} {NONE} --validation_shards=3",
    "several": f"{VAL} {_KIT} --resize=longer:9 --label_base=0 --schema=tpu --shuffle_seed=1 "
    "--output_layout=by_split",
    "archive": f"--validation_directory={{in}}/folders/val {_KIT} {NONE} --validation_shards=2",
    "subset": f"{VAL} {_KIT} {NONE} --classes=n01440764",
    "devkit": f"{VAL} --devkit={{in}}/devkit {NONE}",
    "boxes": f"{VAL} {_KIT} {NONE} --bounding_boxes={{in}}/boxes.csv",
    "schema": f"{VAL} {_KIT} {NONE} --schema=tfds",
}  # fmt: skip


def observe_changes(inputs: Path, output: Path) -> dict[str, Any]:
    """What is said where an option has changed since an earlier run; one conversion for all."""
    run(f"convert {_TO} {VAL} {_KIT} {NONE}".split(), inputs, output)
    found = {}
    for name, flags in CHANGED.items():
        ended = run(f"convert {_TO} {flags}".split(), inputs, output)
        found[name] = {"status": ended.status, "said": ended.said}
    shutil.rmtree(output / _STATE)
    ended = run(f"convert {_TO} {VAL} {_KIT} {NONE}".split(), inputs, output)
    found["without_its_state"] = {"status": ended.status, "said": ended.said}
    return found


PROCESSES = {
    "a_mistake_in_the_job": f"{_V} {DEVKIT} --validation_archive={_B}/strange_number.tar "
    "--expect=any",
    "a_conversion": f"{_V} {DEVKIT} --validation_archive={_O}img_val.tar {NONE}",
}


def observe_process(command: str, inputs: Path, output: Path) -> dict[str, Any]:
    """The same in a process of its own, where nothing that libraries log is kept back."""
    ended = run_in_a_process(command.split(), inputs, output)
    return ended._asdict()


# ---------------------------------------------------------------- help and template

COMMANDS = (
    *("", "convert", "download", "inspect", "index", "verify", "show", "report"),
    *("bounding_boxes", "synthesize"),
)


def observe_help(command: str, inputs: Path, output: Path) -> list[str]:
    """The help, a flag a line: where argparse breaks lines depends on its version."""
    with mock.patch.dict(os.environ, {"COLUMNS": "10000"}):
        ended = run([*command.split(), "--help"], inputs, output)
    assert ended.status == 0, ended.said
    lines: list[str] = []
    for line in ended.printed:
        text, indent = " ".join(line.split()), len(line) - len(line.lstrip())
        if indent > 10:  # what did not fit beside a long flag
            lines[-1] += f" {text}"
        else:
            lines.append(" " * indent + text)
    return lines


def observe_template() -> list[str]:
    """The Flex Template's parameters: name, whether it must be given, and its pattern."""
    root = HERE.parents[1]
    found = [
        path
        for path in sorted(root.rglob("*template*metadata*.json"))
        if not {".venv", "build", "dist", ".typing"} & set(path.relative_to(root).parts)
    ]
    (path,) = found
    content = json.loads(path.read_text())
    head = [f"{key} = {value}" for key, value in content.items() if key != "parameters"]
    return head + [
        f"{item['name']}: {'optional' if item['isOptional'] else 'required'}: "
        f"{' and '.join(item['regexes'])}: {item['label']}: {item['helpText']}"
        for item in content["parameters"]
    ]


# ---------------------------------------------------------------- libraries and all of it


def image_libraries() -> dict[str, str]:
    """What decides the bytes of images that are encoded anew."""
    import PIL
    from PIL import features

    fast = ("cykooz-resizer", "simplejpeg")  # without these Pillow resizes and decodes
    installed = {one.metadata["Name"] for one in importlib.metadata.distributions()}
    return {
        **{name: importlib.metadata.version(name) for name in fast if name in installed},
        "pillow": PIL.__version__,
        "jpeg": str(features.version("jpg")),
        "libjpeg_turbo": str(features.version("libjpeg_turbo")),
        "zlib": str(features.version("zlib")),
        "zlib_ng": str(features.version("zlib_ng")),
        "webp": str(features.version("webp")),
    }


def beam_version() -> str:
    """What decides the names of Beam's own steps inside ours."""
    return importlib.metadata.version("apache-beam")


class Check(NamedTuple):
    """One observation: `observe(inputs, output)` gives what stands in the golden file."""

    observe: Callable[[Path, Path], Any]
    needs_images: bool = False


def checks() -> dict[str, Check]:
    """Every check by its name, `bytes/official`; the slow ones first."""
    found: dict[str, Check] = {}
    for name, command in PROCESSES.items():
        found[f"processes/{name}"] = Check(_bound(observe_process, command))
    for name, case in BYTES.items():
        found[f"bytes/{name}"] = Check(_bound(observe_bytes, case), case.encodes)
    found["changes"] = Check(observe_changes)
    for name, command in MISTAKES.items():
        found[f"mistakes/{name}"] = Check(_bound(observe_mistake, command))
    for path in INSPECTED:
        found[f"inspect/{path}"] = Check(_bound(observe_inspect, path))
    for command in COMMANDS:
        found[f"help/{command or 'all'}"] = Check(_bound(observe_help, command))
    found["template"] = Check(lambda inputs, output: observe_template())
    return found


def _bound(observe: Callable[[Any, Path, Path], Any], what: Any) -> Callable[[Path, Path], Any]:
    return lambda inputs, output: observe(what, inputs, output)


def observed(check: Check, inputs: Path) -> Any:
    """Runs a check with an output folder of its own, as JSON would give it back."""
    with tempfile.TemporaryDirectory(dir=inputs.parent) as folder:
        return json.loads(json.dumps(check.observe(inputs, Path(folder) / "out")))
