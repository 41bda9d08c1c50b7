"""Every block of docs/reading.md, run with the library that it is for."""

import importlib.util
import io
import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from environments import LIGHT, ROOT, environment, run_in
from PIL import Image

from imagenet_beam import Records

PAGE = (ROOT / "docs" / "reading.md").read_text()
DALI = ("nvidia-dali-cuda120==2.4.0",)


def blocks():
    """The Python of each section, by its title."""
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    found = {
        part.partition("\n")[0]: re.findall(r"```python\n(.*?)```", part, re.DOTALL)
        for part in sections
    }
    return {title: code[0] for title, code in found.items() if code}


def test_each_block_has_its_test():
    assert list(blocks()) == [
        "One record", "tf.data", "Keras 3", "PyTorch", "JAX", "DALI", "TensorFlow Datasets", "timm",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def folder(made, source, tmp_path_factory) -> Path:
    """What the page speaks of: `tfrecords` with index files, and `tfds`."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "tfrecords").symlink_to(made(source.boxes, "--index"))
    return folder


def run_here(code, folder):
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_one_record(folder):
    record = Records(folder / "tfrecords", "train")[0]
    assert run_here(blocks()["One record"], folder) == (
        f"48 {record['filename']} {record['label']} {record['wnid']}\n{record['text']}\n"
    )


@pytest.mark.slow
@pytest.mark.xdist_group("tensorflow")
def test_tf_data_and_keras(folder):
    pytest.importorskip("tensorflow")
    check = (
        "assert len(history.history['loss']) == 2 and history.params['steps'] == 2\n"
        "assert all(0 < loss < 100 for loss in history.history['loss'])\n"
    )
    said = run_here("\n".join((blocks()["tf.data"], blocks()["Keras 3"], check)), folder)
    assert said.startswith("(32, 224, 224, 3) <dtype: 'int64'> tf.Tensor(2, shape=(), dtype=int64)")


@pytest.mark.slow
def test_jax_and_grain(folder, request):
    python = environment(LIGHT, request.config.cache)
    check = """
import sys
assert images.dtype == jnp.uint8 and set(np.asarray(labels)) <= {0, 1, 2, 3}
assert not {"tensorflow", "apache_beam"} & set(sys.modules)
"""
    assert run_in(python, folder, "-c", blocks()["JAX"] + check) == "(32, 224, 224, 3) (32,)\n" * 3


@pytest.mark.slow
def test_grain_reads_in_processes_of_its_own(folder, request):
    python = environment(LIGHT, request.config.cache)
    code = """
import sys
import grain
from absl import flags
from imagenet_beam import Records
flags.FLAGS(sys.argv)
if __name__ == "__main__":
    records = Records("tfrecords", "train")
    found = grain.MapDataset.source(records).map(lambda record: record["filename"])
    loader = found.to_iter_dataset().mp_prefetch(grain.multiprocessing.MultiprocessingOptions(2))
    assert sorted(loader) == sorted(record["filename"] for record in records)
    print("all")
"""
    script = folder / "grain_processes.py"
    script.write_text(code)
    assert run_in(python, folder, script) == "all\n"


@pytest.mark.slow
def test_dali(folder, request):
    python = environment(DALI, request.config.cache)
    check = "assert set(labels.as_array().ravel().tolist()) <= {0, 1, 2, 3}"
    assert run_in(python, folder, "-c", blocks()["DALI"] + check) == "48 32\n"


def test_pytorch(folder):
    """Where PyTorch is; elsewhere the next test stands for it."""
    pytest.importorskip("torch", reason="its wheels for Linux need several gigabytes")
    check = "assert images.shape == (32, 3, 224, 224) and set(labels.tolist()) <= {0, 1, 2, 3}"
    run_here(blocks()["PyTorch"] + check, folder)


def batch_of(records, indices):
    """What the collate function of the page is given and makes of it, without tensors."""
    batch = records.__getitems__(indices)
    images = [Image.open(io.BytesIO(record["image"])).convert("RGB") for record in batch]
    pixels = np.stack([np.asarray(image.resize((224, 224))) for image in images])
    return pixels.transpose(0, 3, 1, 2).shape, [record["label"] for record in batch]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_a_data_loader_asks_of_a_data_set(folder, method):
    """A length, any index, a batch of indices at once, and workers that get it by pickle."""
    records = Records(folder / "tfrecords", "train")
    order = np.random.default_rng(1).permutation(len(records)).tolist()
    batches = [order[start : start + 32] for start in range(0, len(order), 32)]
    with multiprocessing.get_context(method).Pool(2) as workers:
        found = workers.starmap(batch_of, [(records, batch) for batch in batches])
    assert [shape for shape, _ in found] == [(32, 3, 224, 224), (16, 3, 224, 224)]
    labels = [label for _, batch in found for label in batch]
    assert labels == [records[index]["label"] for index in order]


def test_what_is_not_run_is_said():
    assert importlib.util.find_spec("timm") or "not run by the tests" in PAGE
    for title in ("PyTorch", "timm"):
        compile(blocks()[title], title, "exec")
