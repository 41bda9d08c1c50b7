# The workers' image, for Dataflow and for Flink's DOCKER environment; see docs/image.md.
#
#   docker build --target worker   -t REGISTRY/imagenet-beam:0.1.0 .
#   docker build --target template -t REGISTRY/imagenet-beam-template:0.1.0 .
#   docker build --target test .
#
# This is the one place that names Beam's version for images and tests. It is the version
# of the environment that submits the job, which Beam wants to be the same.
ARG BEAM_VERSION=2.77.0
ARG PYTHON_VERSION=3.11
ARG BASE_IMAGE=apache/beam_python${PYTHON_VERSION}_sdk:${BEAM_VERSION}
ARG TEMPLATE_LAUNCHER_IMAGE=gcr.io/dataflow-templates-base/python311-template-launcher-base:latest


# The wheel that workers get: this program without what only readers of the data need.
FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY pyproject.toml setup.py README* ./
COPY src src
COPY pipeline pipeline
COPY transforms transforms
COPY runners runners
RUN pip install --no-cache-dir --no-index --no-deps --no-build-isolation .
WORKDIR /wheels
# And what the base does not have, on the machines for which pyproject.toml asks for it.
RUN python -m imagenet_beam.runners.worker_package /wheels \
    && pip download --no-cache-dir --no-deps --only-binary=:all: --dest /wheels \
    "cykooz-resizer==4.0.1; platform_machine == 'x86_64'" \
    "simplejpeg==1.9.0; platform_machine == 'x86_64'"


FROM ${BASE_IMAGE} AS worker
ARG BEAM_VERSION
ARG PYTHON_VERSION
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="imagenet-beam" \
      org.opencontainers.image.description="Worker of an Apache Beam job that turns image archives into TFRecords" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.apache.beam.version="${BEAM_VERSION}" \
      org.python.version="${PYTHON_VERSION}"
# Without it Beam makes a virtual environment at each start, for packages that are here already.
ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
COPY --from=build /wheels /wheels
# --no-index: whatever else is needed is among the base's pinned packages.
RUN pip install --no-cache-dir --no-index /wheels/*.whl \
    && rm -r /wheels \
    && pip check \
    && python -c "import apache_beam; assert apache_beam.__version__ == '${BEAM_VERSION}'" \
    && useradd --create-home --uid 10001 worker
# Dataflow mounts the worker's folder as root; elsewhere --build-arg WORKER_USER=10001 does.
ARG WORKER_USER=root
USER ${WORKER_USER}
WORKDIR /tmp
ENTRYPOINT ["/opt/apache/beam/boot"]


# The unit tests, as an ordinary user, with just what workers have.
FROM worker AS test
ARG TESTS="tests -m 'not slow'"
USER 10001
WORKDIR /home/worker
COPY --chown=10001 . .
RUN eval "python -m pytest -q -n auto -p no:cacheprovider --ignore=tests/flink --ignore=tests/worker_image ${TESTS}"


# The Flex Template: the worker's image that can also submit the job.
FROM ${TEMPLATE_LAUNCHER_IMAGE} AS template-launcher

FROM worker AS template
COPY --from=template-launcher /opt/google/dataflow/python_template_launcher /opt/google/dataflow/
COPY runners/dataflow/flex_template.py /template/main.py
ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/template/main.py


# What a build without --target gives.
FROM worker
