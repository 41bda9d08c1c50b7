"""The small data sets with files and output in gs://."""

import pytest

from imagenet_beam.pipeline.synthetic.small_sets import write_cifar10, write_mnist
from imagenet_beam.runners.cli import main
from imagenet_beam.transforms.storage.files import Storage


@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_a_bucket_gives_what_a_folder_gives(tmp_path, put, bucket, dataset):
    made, local = tmp_path / "made", tmp_path / "out"
    if dataset == "mnist":
        write_mnist(made, train=20, test=10)
    else:
        write_cifar10(made, images_per_batch=10)
    for path in made.glob("*.gz"):
        put(f"in/{path.name}", path.read_bytes())
    convert = ["convert", f"--dataset={dataset}"]
    assert main([*convert, f"--input={made}", f"--output_dir={local}"]) == 0
    remote = f"gs://{bucket}/out"
    assert main([*convert, f"--input=gs://{bucket}/in", f"--output_dir={remote}"]) == 0
    names = sorted(path.name for path in local.glob("*-of-*"))
    assert len(names) == 2  # train and test or validation, of fewer than 200 images each
    for name in names:
        assert Storage().read_bytes(f"{remote}/{name}") == (local / name).read_bytes()
