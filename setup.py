"""Packaging of imagenet-beam.

The top-level folders are published below one import name, `imagenet_beam.*`:
bare `pipeline`, `transforms` and `runners` in site-packages would overwrite an
embedding job's own packages of those names. There is deliberately no
`imagenet_beam/__init__.py`; see docs/decisions/0001-import-names.md.
"""

from setuptools import find_packages, setup

_PARTS = ("pipeline", "transforms", "runners")

setup(
    # Here, as an expression in pyproject.toml needs setuptools 77: workers build --setup_file's
    # package with what they have (Beam gives pip no build isolation).
    license="Apache-2.0",
    package_dir={f"imagenet_beam.{part}": part for part in _PARTS},
    packages=[
        f"imagenet_beam.{name}"
        for part in _PARTS
        for name in (part, *(f"{part}.{sub}" for sub in find_packages(part)))
    ],
)
