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
PEERS := .venv-peers

.DEFAULT_GOAL := help
.PHONY: help reproduce test proof check docs lab bench bench-quick bench-peers timings stage-timings clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

reproduce: $(STAMP)  ## run the pipeline (PROFILE=paper, or quick for a first look) and say where the results lie
	@$(BIN)/edgeresearch reproduce --profile $(PROFILE)

test: check  ## checks, then the tests with their coverage
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --cov --cov-report=term

proof: $(STAMP)  ## run, kill, fill and re-run the whole pipeline at its smallest, in a clone (long)
	$(PY) -m pytest tests/proof/proof.py -v --durations=0

check: $(STAMP)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)  ## build the pages into build/docs; they need no network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'pages: build/docs/index.html'

lab: $(STAMP)  ## JupyterLab on the notebooks
	$(BIN)/jupyter lab notebooks

bench: $(STAMP)  ## speed against peers, into reports/bench (`make bench-peers` first, for all of them)
	$(PY) -m bench

bench-quick: $(STAMP)  ## a fast look at smaller sizes, into build/bench
	$(PY) -m bench --quick --without forecasters --out build/bench

bench-peers: $(PEERS)/.installed  ## neuralforecast and darts in an environment of their own, .venv-peers

$(PEERS)/.installed: bench/peers.txt
	@echo 'installing into $(PEERS), some minutes'
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -r bench/peers.txt
	@touch $@

timings: $(STAMP)  ## measure the CPU seconds of every forecaster (long); the pipeline shows them
	@$(BIN)/edgeresearch compare --timings data/measured/fit_seconds.csv

stage-timings: $(STAMP)  ## run the pipeline and measure the stages that run; the report shows where the minutes go
	@$(BIN)/edgeresearch reproduce --profile $(PROFILE) --timings data/measured/stage_seconds.csv

clean:  ## remove workspaces, caches and the environment; results and data stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* $(VENV) $(PEERS)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'error: Python 3.11 or newer is needed; name one with PYTHON=…' >&2; exit 1; }
	@echo 'installing into $(VENV), some minutes the first time'
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@
