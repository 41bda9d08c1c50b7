"""`--verify_images`: the bytes of JPEGs are kept only where they decode."""

import io
import json

import pytest
from PIL import Image

SOUND, DAMAGED = "n01440764_1.JPEG", "n01440764_2.JPEG"


@pytest.fixture
def photographs(tmp_path):
    """A folder of a class: a sound JPEG, and one whose picture breaks off at a marker."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), "orange").save(buffer, "JPEG")
    data = buffer.getvalue()
    folder = tmp_path / "train" / "n01440764"
    folder.mkdir(parents=True)
    (folder / SOUND).write_bytes(data)
    (folder / DAMAGED).write_bytes(data[:-2] + b"\xff\xf0\xff\xd9")
    return folder


def test_what_does_not_decode_is_rejected_and_the_rest_is_kept(
    photographs, convert, examples, tmp_path
):
    flags = (f"--train_directory={photographs.parent}", "--train_shards=1", "--resize=none")
    kept, verified = tmp_path / "kept", tmp_path / "verified"
    assert convert(*flags, f"--output_dir={kept}").status == 0
    assert convert(*flags, f"--output_dir={verified}", "--verify_images").status == 3
    images = [
        {record["image/filename"][0]: record["image/encoded"] for record in examples(out, "train")}
        for out in (kept, verified)
    ]
    sound = (photographs / SOUND).read_bytes()
    assert images[0] == {
        SOUND.encode(): [sound],
        DAMAGED.encode(): [(photographs / DAMAGED).read_bytes()],
    }
    assert images[1] == {SOUND.encode(): [sound]}
    (reject,) = map(json.loads, (verified / "rejects.jsonl").read_text().splitlines())
    assert (reject["filename"], reject["reason"]) == (DAMAGED, "corrupt")


def test_plans_with_it_are_others_and_older_ones_are_without(photographs, convert, tmp_path):
    out = tmp_path / "out"
    flags = (f"--train_directory={photographs.parent}", "--train_shards=1", "--resize=none")
    assert convert(*flags, f"--output_dir={out}").status == 0
    path = out / ".imagenet-beam" / "plan.json"
    plan = json.loads(path.read_text())
    assert plan["options"].pop("verify_images") is False
    path.write_text(json.dumps(plan))
    (out / "manifest.json").unlink()
    assert convert(*flags, f"--output_dir={out}").status == 0
    refused = convert(*flags, f"--output_dir={out}", "--verify_images")
    assert refused.status == 2
    assert "holds another conversion: " in refused.message
    assert "verify_images" in refused.message
