"""Tars whose members have no bytes of their own."""

import gzip
import io
import json
import tarfile

import pytest


def write_with_links(path, files, mode="w"):
    """Three of the files are a hard link, a symbolic one, and a sparse file of old GNU tar."""
    kinds = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.GNUTYPE_SPARSE)
    faulty = dict(zip(sorted(files)[1:9:3], kinds, strict=True))
    with tarfile.open(path, mode, format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(linked("train/latest", tarfile.SYMTYPE))  # of no interest
        for name, data in files.items():
            info = linked(name, faulty[name]) if name in faulty else tarfile.TarInfo(name)
            info.size = 0 if name in faulty else len(data)
            tar.addfile(info, io.BytesIO(data))
    return list(faulty)


def linked(name, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "elsewhere"
    return info


def in_class_folders(pictures):
    return {f"train/{pictures.wnid(name)}/{name}": data for name, data in pictures.train.items()}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_links_and_sparse_files_are_rejected_one_by_one(
    mode, pictures, official, convert, tree, tmp_path
):
    archive = tmp_path / "a.tar"
    faulty = write_with_links(archive, in_class_folders(pictures), mode)
    output = tmp_path / "out"
    flags = [f"--train_archive={archive}", f"--devkit={official.devkit}", "--train_shards=2"]
    flags += ["--resize=none", f"--output_dir={output}"]
    done = convert(*flags)
    assert done.status == 3, done.message
    assert "train: 16 images" in done.message
    assert "= 13 records + 3 rejects" in done.message
    lines = [json.loads(line) for line in (output / "rejects.jsonl").read_text().splitlines()]
    found = {line["filename"]: (line["reason"], line["wnid"], line["size_bytes"]) for line in lines}
    names = [name.rpartition("/")[2] for name in faulty]
    reasons = dict(zip(names, ["link", "link", "sparse"], strict=True))
    assert found == {name: (reason, pictures.wnid(name), 0) for name, reason in reasons.items()}
    details = {line["reason"]: line["detail"] for line in lines}
    assert details == {
        "link": "a link, which has no bytes of its own; make the archive with tar --dereference "
        "--hard-dereference",
        "sparse": "a sparse file, which cannot be read in place; make the archive without tar "
        "--sparse",
    }
    content = archive.read_bytes() if mode == "w" else gzip.decompress(archive.read_bytes())
    for line in lines:
        header = content[line["offset_bytes"] - 512 : line["offset_bytes"]]
        assert header.startswith(f"train/{line['wnid']}/{line['filename']}".encode())
    before = tree(output)
    again = convert(*flags, "--max_rejects=3")
    assert again.status == 0, again.message
    assert tree(output) == before
