# Everything runs in .venv, which is made by itself. `make` lists the targets.

PROFILE ?= paper
PYTHON ?= python3
EXTRAS ?= dev
# TORCH_INDEX=URL hands pip a further package index, such as the one with PyTorch's builds for the CPU.
PIP_OPTIONS = $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help reproduce test check docs lab bench timings clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

reproduce: $(STAMP)  ## run the pipeline (PROFILE=paper, or quick for a first look) and say where the results lie
	@$(BIN)/edgeresearch reproduce --profile $(PROFILE)

test: check  ## checks, then the tests with their coverage
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --cov --cov-report=term

check: $(STAMP)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)  ## build the pages into build/docs; they need no network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'pages: build/docs/index.html'

lab: $(STAMP)  ## JupyterLab on the notebooks
	$(BIN)/jupyter lab notebooks

bench: $(STAMP)  ## speed against peers
	$(PY) -m bench

timings: $(STAMP)  ## measure the CPU seconds of every forecaster (long); the pipeline shows them
	@for trace in $$($(PY) -c 'from edgeresearch.params import load; print(*load("params.yaml").forecast.traces)'); do \
		OMP_NUM_THREADS=1 $(PY) -m edgeresearch compare $$trace --timings data/measured/fit_seconds.csv || exit 1; \
	done

clean:  ## remove workspaces, caches and the environment; results and data stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* $(VENV)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'error: Python 3.11 or newer is needed; name one with PYTHON=…' >&2; exit 1; }
	@echo 'installing into $(VENV), some minutes the first time'
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@
