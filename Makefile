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
# The version of the worker image, so that tests see what workers run.
BEAM_VERSION := $(shell sed -n "s/^ARG BEAM_VERSION=//p" Dockerfile)

.PHONY: help install demo test tools check format unit typing flink-cluster flink-stop clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

$(BIN)/imagenet-beam: pyproject.toml setup.py
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 12) else "imagenet-beam needs Python 3.10 to 3.12, this is %d.%d; try make PYTHON=python3.11" % v)'
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

test: check unit  ## format, lint, types and all tests

check: $(BIN)/.test-tools typing  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

typing: $(BIN)/.test-tools
	mkdir -p .typing && ln -sfn .. .typing/imagenet_beam
	MYPYPATH=.typing $(BIN)/mypy -p imagenet_beam.transforms -p imagenet_beam.pipeline -p imagenet_beam.runners

unit: $(BIN)/.test-tools  ## all tests, in parallel and in random order
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_FLAGS)

tools: $(BIN)/.test-tools  ## install what the tests of other runners need; without, they skip
	BIN=$(BIN) sh tests/install_tools.sh

flink-cluster: install  ## start a Flink cluster on this machine, to try things on
	$(BIN)/python -m tools.flink_cluster start

flink-stop: install  ## end that cluster
	$(BIN)/python -m tools.flink_cluster stop

format: $(BIN)/.test-tools  ## mend format and imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the virtual environment and what the demo wrote
	rm -rf $(VENV) $(DEMO) .typing build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
