# Two commands do all the set-up: `make tutor` runs the tutor, `make test` tests it.
#
#   TORCH_INDEX  On Linux, PyPI's torch brings gigabytes of CUDA packages. PyTorch's own index has a build for the CPU:
#                make tutor TORCH_INDEX=https://download.pytorch.org/whl/cpu
#   PYTHON       The interpreter of the virtual environment, 3.11 or later (default: python3).

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
EXTRA_INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
TORCH := torch==2.13.0

.PHONY: tutor test check lint types eval bench clean
.DEFAULT_GOAL := tutor

tutor: $(VENV)/.installed
	@$(BIN)/tutor ui

test: $(VENV)/.installed-test
	@$(BIN)/python -m tests.browser
	$(BIN)/python -m pytest

check: lint types test

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

eval: $(VENV)/.installed
	$(BIN)/tutor ingest
	$(BIN)/tutor eval

bench: $(VENV)/.installed
	$(BIN)/tutor ingest
	$(BIN)/python -m evals.benchmark

clean:
	rm -rf $(VENV) .tutor build *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; name one with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch is named in the same pip command as the rest, so that no other build of it is chosen on the way.
$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing (once; torch makes it some minutes)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(EXTRA_INDEX) $(TORCH) -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(EXTRA_INDEX) $(TORCH) -e '.[test,openai]'
	@touch $@
