"""The forms of sources: their names, which one a file has, and how a new one is found."""

import gzip
import io
import tarfile
import zipfile

import pytest

from imagenet_beam.transforms import archives
from imagenet_beam.transforms.archives import forms
from imagenet_beam.transforms.archives.fetch import read_span
from imagenet_beam.transforms.archives.forms import find_form, recognise
from imagenet_beam.transforms.elements import ImageRef, LabeledImage
from imagenet_beam.transforms.errors import InputError
from imagenet_beam.transforms.labels.classes import ClassInfo, ClassTable
from imagenet_beam.transforms.labels.rule import label_image
from imagenet_beam.transforms.labels.source import Labels
from imagenet_beam.transforms.storage.files import Storage

STORAGE = Storage()


def tar(name: str = "n01440764/a.JPEG") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 5
        archive.addfile(info, io.BytesIO(b"image"))
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("n01440764/a.JPEG", b"image")
    return file.getvalue()


def test_the_names_are_those_of_the_plans_that_have_been_written():
    names = {"cifar10", "cifar100", "compressed_tar", "folder", "idx", "tar", "zip"}
    assert set(forms._forms()) == names
    assert {name for name in names if find_form(name).name == name} == names
    streamed = {name for name in names if find_form(name).streamed}
    assert streamed == {"cifar10", "cifar100", "compressed_tar", "idx"}
    assert {name for name in names if find_form(name).is_folder} == {"folder", "idx"}


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (tar(), "tar"),
        (gzip.compress(tar()), "compressed_tar"),
        (zipped(), "zip"),
        (b"<html>", "tar"),
        (b"", "tar"),
    ],
    ids=["tar", "gzip", "zip", "page", "empty"],
)
def test_a_file_is_told_by_its_content(data, name, tmp_path):
    path = tmp_path / "any.name"
    path.write_bytes(data)
    form = recognise(STORAGE, str(path))
    assert form.name == name
    if len(data) > 10:
        [span] = form.split(STORAGE, str(path))
        [(ref, stored)] = read_span(STORAGE, span, "")
        assert (ref.filename, ref.wnid, stored) == ("n01440764/a.JPEG", "n01440764", b"image")


NEW_FORM = """
from imagenet_beam.transforms.archives.forms import Form
from imagenet_beam.transforms.elements import ImageRef

class LetterForm(Form):
    name = "letters"

    def recognises(self, head):
        return head.startswith(b"letters ")

    def list(self, storage, span, split, passed):
        for at in range(8, span.size_bytes):
            yield ImageRef(span.archive, at, 1, f"{at}.png")

FORMS = (LetterForm(),)
"""


def test_a_new_form_is_one_module(tmp_path, monkeypatch):
    (tmp_path / "letters.py").write_text(NEW_FORM)
    monkeypatch.setattr(archives, "__path__", [*archives.__path__, str(tmp_path)])
    forms._forms.cache_clear()
    try:
        path = tmp_path / "a.letters"
        path.write_bytes(b"letters xyz")
        form = recognise(STORAGE, str(path))
        [span] = form.split(STORAGE, str(path))
        assert [data for _, data in read_span(STORAGE, span, "")] == [b"x", b"y", b"z"]
    finally:
        forms._forms.cache_clear()


def test_a_class_index_looks_up_the_class():
    labels = Labels(ClassTable((ClassInfo("cat"), ClassInfo("dog")), 1), {}, {})
    ref = ImageRef("a.gz", 0, 1, "x.png", class_index=1)
    assert label_image(ref, labels, "index") == LabeledImage(ref, 2, "dog", "")
    for index in (-1, 2):
        with pytest.raises(InputError, match=rf"gives x.png the label {index}; .* 0 to 1"):
            label_image(ref._replace(class_index=index), labels, "index")
