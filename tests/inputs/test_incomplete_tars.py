"""Tars whose members have no bytes of their own, and tars that stop and go on with zeros."""

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
    table = [line.split()[:4] for line in done.message.splitlines()]
    assert ["train", "16", "13", "3"] in table, done.message  # images, records, rejects
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


def stopped(train: bytes, images: int) -> bytes:
    """What is there of the last class tar are its first images; the length is reserved."""
    with tarfile.open(fileobj=io.BytesIO(train)) as tar:
        last = tar.getmembers()[-1]
    start = last.offset_data
    with tarfile.open(fileobj=io.BytesIO(train[start : start + last.size])) as class_tar:
        end = start + class_tar.getmembers()[images].offset
    return train[:end] + bytes(len(train) - end)


def test_a_training_archive_that_stops_in_a_class_tar(pictures, official, refused, tmp_path):
    archive = tmp_path / "train.tar"
    wnids = sorted(set(map(pictures.wnid, pictures.train)))[:2]
    with tarfile.open(archive, "w") as tar:
        for wnid in wnids:
            class_tar = tarfile.TarInfo(f"{wnid}.tar")
            content = class_tar_of(wnid, b"J" * 5000)
            class_tar.size = len(content)
            tar.addfile(class_tar, io.BytesIO(content))
    flags = [f"--train_archive={archive}", f"--devkit={official.devkit}", "--expect=any"]
    archive.write_bytes(stopped(archive.read_bytes(), 2))
    said = refused(*flags)
    assert f"train.tar → {wnids[1]}.tar is incomplete: it ends with " in said


def class_tar_of(wnid, data):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for number in range(5):
            info = tarfile.TarInfo(f"{wnid}_{number}.JPEG")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def test_zeros_after_the_end_are_told_of(pictures, official, same, tmp_path):
    archive = tmp_path / "val.tar"
    padded = official.validation.read_bytes().rstrip(b"\0")
    padded += bytes(-len(padded) % 512 + 40_960)
    archive.write_bytes(padded)
    said = same("validation", f"--validation_archive={archive}", f"--devkit={official.devkit}")
    assert f"{archive} ends with " in said
    assert "if it is a download that has stopped, images are missing" in said
