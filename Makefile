# Two commands do everything on a fresh machine with Python and make:
#   make demo    a small synthetic ImageNet, converted, and how to look at it
#   make test    everything that is checked

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Without setuptools' warning that folders may shadow an editable package: nothing here does.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip
DEMO ?= demo
WORKERS ?= auto
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup
PHOTOS ?=
IMAGES ?= 10000
TURNS ?= 3
MINUTES ?= 30
SIZES ?= 1000 10000 100000 1281167
FAST := archives boxes images labels records threads
# The version of the worker image, so that tests see what workers run.
BEAM_VERSION := $(shell sed -n "s/^ARG BEAM_VERSION=//p" Dockerfile)
# The Pythons that pyproject.toml allows: "10 15" for ">=3.10,<3.15".
MINORS := $(shell sed -n 's/^requires-python = ">=3\.\([0-9]*\),<3\.\([0-9]*\)".*/\1 \2/p' pyproject.toml)

.PHONY: help install demo test tools check format unit unit-fast unit-bytes attack types flink-cluster flink-stop benchmark-environment benchmark benchmark-growth clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

$(BIN)/imagenet-beam: pyproject.toml setup.py
	$(PYTHON) -c 'import sys; low, high = map(int, sys.argv[1:]); v = sys.version_info[:2]; sys.exit(0 if (3, low) <= v < (3, high) else "imagenet-beam needs Python 3.%d to 3.%d, this is %d.%d; try make PYTHON=python3.%d" % (low, high - 1, *v, low + 1))' $(MINORS)
	@echo 'making $(VENV) and installing into it, TensorFlow among others; this takes minutes'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade pip
	$(PIP) install --quiet --editable .
	touch $@

install: $(BIN)/imagenet-beam  ## make a virtual environment with the command in it

demo: install  ## generate a small synthetic ImageNet, convert it, show what came out
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python examples/demo.py $(DEMO)

$(BIN)/.test-tools: $(BIN)/imagenet-beam
	$(PIP) install --quiet --editable '.[test]' 'apache-beam[gcp]==$(BEAM_VERSION)'
	touch $@

test: check unit  ## all checks and all tests

check: $(BIN)/.test-tools types  ## format, lint, types, dependencies and CI's own files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/deptry .
	@if [ -x $(BIN)/actionlint ]; then $(BIN)/actionlint; else echo 'left out: actionlint, which make tools installs'; fi

types: $(BIN)/.test-tools
	$(BIN)/mypy -p imagenet_beam -p tools
	$(BIN)/mypy tests examples benchmarks
	$(BIN)/pyright --pythonpath $(BIN)/python

unit: $(BIN)/.test-tools  ## all tests, in parallel and in random order
	$(PYTEST) $(PYTEST_FLAGS)

unit-fast: $(BIN)/.test-tools  ## the tests of the parts that import no Beam: less than a minute
	$(PYTEST) -m 'not slow' $(addprefix tests/,$(FAST)) $(PYTEST_FLAGS)

unit-bytes: $(BIN)/.test-tools  ## unit-fast, and whether shards have the bytes of every other Python
	$(PYTEST) -m 'not slow' $(addprefix tests/,$(FAST) transforms net pipeline/test_convert.py) $(PYTEST_FLAGS)

attack: $(BIN)/.test-tools  ## damage inputs and break runs for MINUTES, and say what came of it
	$(BIN)/python tests/attack --minutes=$(MINUTES)

tools: $(BIN)/.test-tools  ## install what the tests of other runners need; without, they skip
	BIN=$(BIN) sh tests/install_tools.sh

flink-cluster: install  ## start a Flink cluster on this machine, to try things on
	$(BIN)/python -m tools.flink_cluster start

flink-stop: install  ## end that cluster
	$(BIN)/python -m tools.flink_cluster stop

# In an environment of its own, as users have it: what tests need makes Beam's import longer.
BENCHMARK := .benchmarks/environments/ours

benchmark-environment:
	@$(MAKE) --no-print-directory install VENV=$(BENCHMARK)

benchmark: benchmark-environment  ## this and other programs on PHOTOS, a folder or tar: see benchmarks/README.md
	$(BENCHMARK)/bin/python -m benchmarks.photographs --photographs='$(PHOTOS)' --images=$(IMAGES) --output=.benchmarks/photographs
	$(BENCHMARK)/bin/python -m benchmarks.throughput --photographs=.benchmarks/photographs --turns=$(TURNS)
	$(BENCHMARK)/bin/python -m benchmarks.lock --photographs=.benchmarks/photographs

benchmark-growth: benchmark-environment  ## the job without the pictures, by SIZES: numbers of images
	$(BENCHMARK)/bin/python -m benchmarks.control_plane --sizes $(SIZES)

format: $(BIN)/.test-tools  ## correct format and imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the virtual environment and what the demo wrote
	rm -rf $(VENV) .venv-* $(DEMO) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
	rm -rf .attack .benchmarks/environments .benchmarks/photographs .benchmarks/growth
