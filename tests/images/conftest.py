"""Both kinds of workers in one process: with the fast libraries, and with Pillow alone."""

import pytest

from imagenet_beam.transforms.images import filter as image_filter
from imagenet_beam.transforms.images import plain_jpeg


@pytest.fixture
def pillow_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_filter, "vectorised", None)
    monkeypatch.setattr(plain_jpeg, "turbojpeg", None)


@pytest.fixture(params=["pillow", "fast"])
def each_kind(request: pytest.FixtureRequest) -> str:
    if request.param == "pillow":
        request.getfixturevalue("pillow_alone")
    elif image_filter.vectorised is None or plain_jpeg.turbojpeg is None:
        pytest.skip("cykooz-resizer and simplejpeg are not installed")
    return request.param
