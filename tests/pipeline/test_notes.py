"""The notes of the summary, by what the manifest says."""

from imagenet_beam.pipeline.notes import Note, split_notes

OLD = {"images": 1, "records": 1, "rejects": 0, "notes": {}}


def test_manifests_of_earlier_versions_have_none():
    assert list(split_notes(OLD)) == []


def test_each_kind():
    entry = {
        **OLD,
        "passed_over": {
            "counts": {"beside_images": 5, "folder": 1000},
            "names": ["a.K", "b\n", "c"],
        },
        "misplaced": {"images": 2, "first": [["n01440764_1.JPEG", "n01443537"]]},
        "notes": {"repaired:cmyk_unmarked": 1},
        "labels_given": 3,
        "images_found": 2,
    }
    assert list(split_notes(entry)) == [
        Note(
            "passed_over",
            "1,005 members passed over: 5 beside images with another suffix (a.K, b\\n, c, …), "
            "1,000 folders",
        ),
        Note(
            "misplaced",
            "2 images lie in another class than the name says (n01440764_1.JPEG in n01443537, …)",
        ),
        Note(
            "cmyk_unmarked",
            "1 CMYK image without Adobe's marker, taken as Photoshop stores them (inverted): look "
            "at the first on the report's page",
        ),
        Note(
            "labels",
            "there are 3 labels for 2 images, and each image took the one of its number: make sure "
            "that these labels are of this set",
        ),
    ]
