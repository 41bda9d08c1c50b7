"""Packaging of imagenet-beam.

The top-level folders are published below one import name, `imagenet_beam`, through the links in
`src/imagenet_beam`: see docs/decisions/0001-import-names.md.
"""

from setuptools import find_packages, setup

setup(
    # Here, as an expression in pyproject.toml needs setuptools 77: workers build --setup_file's
    # package with what they have (Beam gives pip no build isolation).
    license="Apache-2.0",
    package_dir={"": "src"},
    packages=find_packages("src"),
    package_data={"imagenet_beam": ["py.typed"], "imagenet_beam.pipeline.reading": ["*.html"]},
)
