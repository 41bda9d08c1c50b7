"""The images, built for real on a stand-in for Beam's base."""

import json
import re
import uuid

import images
import pytest
from test_dockerfile import BEAM, DOCKERFILE

pytestmark = pytest.mark.slow

PACKAGES = "/usr/local/lib/python3.11/dist-packages"

LAUNCHER = """\
FROM {base}
RUN mkdir -p /opt/google/dataflow \\
    && cd /opt/google/dataflow \\
    && printf '#!/bin/sh\\nexec python "$FLEX_TEMPLATE_PYTHON_PY_FILE" "$@"\\n' \\
        > python_template_launcher \\
    && chmod +x python_template_launcher
"""


def test_labels_and_entry_point(worker_image):
    labels = images.inspect(worker_image, "OCIv1.Config.Labels")
    assert f"org.apache.beam.version:{BEAM}" in labels
    assert "org.opencontainers.image.revision:abc123" in labels
    assert "org.opencontainers.image.version:0.1.0" in labels
    assert images.inspect(worker_image, "OCIv1.Config.Entrypoint") == "[/opt/apache/beam/boot]"
    assert "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1" in images.inspect(
        worker_image, "OCIv1.Config.Env"
    )


def test_the_packages_fit_the_pins_of_the_base(worker_image):
    assert "No broken requirements found" in images.run(worker_image, "pip", "check")
    command = ["python", "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    in_base, in_worker = (
        {(entry["name"], entry["version"]) for entry in json.loads(images.run(image, *command))}
        for image in (images.base_image(), worker_image)
    )
    fetched = set(re.findall(r'"([\w-]+)==([\d.]+); platform_machine == .x86_64', DOCKERFILE))
    assert in_worker - in_base == {("imagenet-beam", "0.1.0"), *fetched}
    assert in_base < in_worker


def test_only_what_workers_need(worker_image):
    mine = images.run(worker_image, "find", "/", "-xdev", "-name", "imagenet_beam*", user="0")
    assert {path.rpartition("/")[0] for path in mine.split()} == {PACKAGES}
    assert not {"src", "wheels"} & set(images.run(worker_image, "ls", "/").split())
    assert "tensorflow" not in images.run(worker_image, "pip", "list")


def test_the_command_runs_as_an_ordinary_user(worker_image):
    images.run(worker_image, "imagenet-beam", "synthesize", "--output_dir=/tmp/s", "--classes=2")
    said = images.run(worker_image, "imagenet-beam", "--version")
    assert "filter cykooz-resizer 4." in said
    assert "jpeg_decoder simplejpeg 1." in said


def test_the_unit_tests_run_inside():
    if images.why_not():
        pytest.skip(images.why_not())
    with images.exclusive():
        tests = (
            "tests/images/test_images.py tests/images/test_pixels.py tests/pipeline/test_convert.py"
        )
        images.remove(images.build("test", TESTS=tests))


def test_the_template_image_starts_the_command(worker_image):
    with images.exclusive():
        dockerfile = LAUNCHER.format(base=images.base_image())
        launcher = f"localhost/template-launcher:{uuid.uuid4().hex}"
        images.buildah("bud", "--tag", launcher, "--file", "/dev/stdin", stdin=dockerfile)
        template = images.build("template", TEMPLATE_LAUNCHER_IMAGE=launcher)
    program = "/opt/google/dataflow/python_template_launcher"
    said = images.run(template, "sh", "-c", f"{program} --output_dir=out 2>&1; echo status $?")
    assert "imagenet-beam: " in said
    assert said.endswith("status 2")
    images.remove(template, launcher)
