"""`imagenet-beam synthesize --dataset=…`: what it writes can be converted."""

import pytest

from imagenet_beam.runners import cli


@pytest.mark.parametrize(
    ("dataset", "flags", "images", "names"),
    [
        ("flowers", ["--images_per_class=3"], 15, {"flower_photos.tgz"}),
        (
            "cifar10",
            ["--images_per_batch=10"],
            50,
            {"cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"},
        ),
        (
            "mnist",
            ["--train=20", "--test=10"],
            20,
            {
                f"{split}-{what}-ubyte.gz"
                for split in ("train", "t10k")
                for what in ("images-idx3", "labels-idx1")
            },
        ),
    ],
)
def test_what_is_written_can_be_converted(
    to_records, examples, tmp_path, dataset, flags, images, names
):
    folder = tmp_path / "made"
    command = ["synthesize", f"--dataset={dataset}", f"--output_dir={folder}"]
    assert cli.main([*command, *flags]) == 0
    assert {path.name for path in folder.iterdir()} == {*names, "SYNTHETIC.txt"}
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    output = to_records(dataset, f"--input={folder}", "--holdout=0")
    assert len(examples(output, f"{dataset}-train")) == images
    assert cli.main([*command, *flags, "--seed=1"]) == 0
    assert all((folder / name).read_bytes() != first[name] for name in names)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=mnist", "--classes=3"], "--classes is for --dataset=imagenet2012, not for"),
        (["--train=3"], "--train is for --dataset=mnist, not for imagenet2012"),
        (["--dataset=mnist", "--bad_images"], "--bad_images is for --dataset=imagenet2012"),
        (["--dataset=mnist", "--train=0"], "--train=0 is not between 1 and 1,000,000"),
    ],
)
def test_flags_of_another_set_are_refused(tmp_path, capsys, flags, message):
    assert cli.main(["synthesize", f"--output_dir={tmp_path}/made", *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
