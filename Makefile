# make            lists what there is
# make run        environment, index of the samples, the app on http://127.0.0.1:8501
# make demo       four questions over the samples in the terminal

PYTHON ?= python3
PORT ?= 8501
# Of the tests, and each takes about 2 GB of memory.
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
CITA := $(BIN)/cita
SAMPLES := data/samples

# llama.cpp is compiled here. Built for the processor it finds (its default) version 0.3.36 crashes on processors with
# AMX, so it is built for what all x86-64 processors of the last ten years have.
export CMAKE_ARGS ?= -DGGML_NATIVE=OFF
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc 2>/dev/null || echo 2)

.DEFAULT_GOAL := help
.PHONY: help install install-dev run demo test test-long prove lint bench clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## the environment in .venv (the only step that needs the network)
install-dev: $(VENV)/.installed-dev  ## the same, with what tests and checks need

$(VENV)/.installed: pyproject.toml constraints.txt
	@.ci/check-system $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV). llama.cpp is compiled once: that takes minutes and shows no progress."
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --config-settings editable_mode=compat -e .
	$(BIN)/python -m ingest.languages
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --config-settings editable_mode=compat -e '.[dev]'
	@touch $@

run: install  ## index the samples, then open the app
	$(CITA) add $(SAMPLES)
	$(CITA) index
	$(CITA) app --port $(PORT)

demo: install  ## four questions over the samples, in the terminal
	@$(BIN)/python data/demo.py

test: install-dev  ## all tests, two at a time (ARGS="tests/test_samples.py -k lease" for some)
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

test-long: install-dev  ## the tests of reliability with many more examples (about half an hour)
	@CITA_LONG=1 $(BIN)/python -m pytest -o timeout=7200 tests/ingest/test_plan.py tests/reliability $(ARGS)

prove: install-dev  ## what docs/reliability.md states, measured anew (hours)
	@CITA_LONG=2 $(BIN)/python -m pytest -o timeout=14400 tests/ingest/test_plan.py tests/reliability
	$(BIN)/python -m tests.reliability.kills --kills 500 --steps 20
	$(BIN)/python -m tests.reliability.damage --number 2000
	$(BIN)/python -m tests.reliability.soak --minutes 10

lint: install-dev  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install-dev  ## every benchmark in benchmarks/
	@set -e; for script in benchmarks/*.py; do \
		echo "== $$script"; $(BIN)/python -m benchmarks.$$(basename "$$script" .py); done

clean:  ## remove the environment and what tools left; never documents, index or models
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
