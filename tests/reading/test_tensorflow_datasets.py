"""`--schema=tfds` takes the place of what TensorFlow Datasets would prepare itself."""

import importlib.util
import json
from pathlib import Path

import pytest
from test_docs_of_reading import blocks, run_here

from imagenet_beam import Records

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tensorflow")]


@pytest.fixture(scope="session")
def tfds_set(source, convert, tmp_path_factory):
    """The pictures of 4 classes with the labels of all 1,000, in the folder `tfds`."""
    spec = importlib.util.find_spec("tensorflow_datasets")
    if spec is None:
        pytest.skip("tensorflow-datasets is not installed")
    names = Path(spec.origin).parent / "datasets" / "imagenet2012" / "labels.txt"
    output = tmp_path_factory.mktemp("page") / "tfds"
    done = convert(
        f"--train_archive={source.folder}/ILSVRC2012_img_train.tar",
        f"--validation_archive={source.folder}/ILSVRC2012_img_val.tar",
        f"--labels_file={names}",
        f"--validation_labels={source.folder}/labels/imagenet_2012_validation_synset_labels.txt",
        "--expect=any",
        "--schema=tfds",
        f"--output_dir={output}",
        "--train_shards=4",
        "--validation_shards=2",
        "--resize=none",
    )
    assert done.status == 0, done.message
    return output


LOAD = """
import json
import tensorflow_datasets as tfds

rows = {}
for split in ("train", "validation"):
    plain = tfds.load("imagenet2012", data_dir="tfds", split=split)
    pairs = tfds.load("imagenet2012", data_dir="tfds", split=split, as_supervised=True)
    rows[split] = [
        [row["file_name"].decode(), int(row["label"])] for row in plain.as_numpy_iterator()
    ]
    assert sorted(label for _, label in rows[split]) == sorted(
        int(label) for image, label in pairs.as_numpy_iterator() if image.shape[2] == 3
    )
builder = tfds.builder("imagenet2012", data_dir="tfds")
assert builder.info.supervised_keys == ("image", "label")
assert str(builder.version) == "5.1.0"
names = builder.info.features["label"].names
print(json.dumps({"rows": rows, "names": names}))
"""


def test_load_builder_and_supervised(tfds_set, source):
    said = run_here(blocks()["TensorFlow Datasets"] + LOAD, tfds_set.parent).splitlines()
    assert said[0] == "48 1000"
    found = json.loads(said[1])
    for split in ("train", "validation"):
        truth = getattr(source.expected, split)
        assert {name: found["names"][label] for name, label in found["rows"][split]} == truth
        ours = Records(tfds_set, split)
        assert sorted([r["filename"], r["label"]] for r in ours) == sorted(found["rows"][split])


COUNT = """
import io
from pathlib import Path
import tensorflow_datasets as tfds
from tensorflow_datasets.core import example_serializer, file_adapters, naming, writer
from imagenet_beam import Records
features = tfds.features.FeaturesDict({
    "file_name": tfds.features.Text(),
    "image": tfds.features.Image(encoding_format="jpeg"),
    "label": tfds.features.ClassLabel(num_classes=1000),
})
splits = tfds.builder("imagenet2012", data_dir="tfds").info.splits
for split in ("train", "validation"):
    Path("again").mkdir(exist_ok=True)
    theirs = writer.Writer(
        example_serializer.ExampleSerializer(features.get_serialized_info()),
        naming.ShardedFileTemplate(
            data_dir=Path("again"), dataset_name="again", split=split, filetype_suffix="tfrecord"
        ),
        "salt", False, writer.ExampleWriter(file_adapters.FileFormat.TFRECORD),
    )
    for record in Records("tfds", split):
        name, image = record["filename"], io.BytesIO(record["image"])
        row = {"file_name": name, "image": image, "label": record["label"]}
        theirs.write(name, features.encode_example(row))
    lengths, total_bytes = theirs.finalize()
    print(split, sum(lengths), total_bytes - splits[split].num_bytes)
"""


def test_the_sizes_are_those_that_tensorflow_datasets_counts(tfds_set):
    """It writes the same records once more, and counts them."""
    assert sorted(run_here(COUNT, tfds_set.parent).splitlines()) == [
        "train 48 0",
        "validation 16 0",
    ]
