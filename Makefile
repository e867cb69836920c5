# Needs Python 3.11 or newer, git and make; everything else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KILLS ?= 100
MINUTES ?= 10
REFERENCE ?=

.PHONY: help install quickstart test test-slow test-torch test-web test-gpu gpu-here gpu-report \
  faults rehearsal lint format clean

help:
	@echo "make install      everything into .venv, with the command madf-jax"
	@echo "make quickstart   paint a photograph; then train a small network and evaluate it, in minutes"
	@echo "make test         run the tests"
	@echo "make test-slow    run the tests that take long: large recorded case, several processes, faults"
	@echo "make test-torch   run the tests that need PyTorch"
	@echo "make test-web     run the tests of the page in the browser; they need Chromium"
	@echo "make test-gpu     run the tests for a GPU"
	@echo "make gpu-report   speed and memory on a GPU, in MINUTES=10; REFERENCE=CHECKOUT compares with PyTorch"
	@echo "make faults       kill, stop, damage and restart trainings; KILLS=100 kills, BUCKET=1 in a bucket"
	@echo "make rehearsal    train and evaluate on two hosts with a bucket, all on this machine; needs root"
	@echo "make lint         ruff and mypy"
	@echo "make format       let ruff format and fix"
	@echo "make clean        remove .venv and caches (runs/ stays)"

$(VENV)/.installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

$(VENV)/.installed-torch: requirements-torch.txt $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --requirement requirements-torch.txt
	@touch $@

$(VENV)/.installed-web: requirements-web.txt $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --requirement requirements-web.txt
	@touch $@

$(VENV)/.installed-gpu: requirements-gpu.txt $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --requirement requirements-gpu.txt
	@touch $@

install: $(VENV)/.installed

quickstart: install
	mkdir -p runs
	$(BIN)/madf-jax inpaint --image docs/images/scratched.jpg --mask docs/images/scratched_mask.png \
	  --output runs/painted.png --compare
	$(BIN)/python train.py --config=configs/quickstart.py --workdir=runs/quickstart
	$(BIN)/python eval.py --workdir=runs/quickstart

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m "slow and not torch" --numprocesses=2 --dist=loadfile

test-torch: $(VENV)/.installed-torch
	$(BIN)/python -m pytest -m torch

test-web: $(VENV)/.installed-web
	$(BIN)/python -m pytest -m web

# Before gigabytes are downloaded.
gpu-here:
	@nvidia-smi -L 2>/dev/null || { echo "no GPU is here: nvidia-smi finds none" >&2; exit 1; }

test-gpu: gpu-here $(VENV)/.installed-gpu
	$(BIN)/python -m pytest -m gpu tests/gpu

# A second run finds compiled programs in runs/gpu-report/compiled and gets further.
gpu-report: gpu-here $(VENV)/.installed-gpu $(if $(REFERENCE),$(VENV)/.installed-torch)
	JAX_COMPILATION_CACHE_DIR=runs/gpu-report/compiled $(BIN)/madf-jax gpu-report \
	  --output runs/gpu-report --minutes $(MINUTES) $(if $(REFERENCE),--reference $(REFERENCE))

faults: $(VENV)/.installed-dev
	$(BIN)/python tests/faults/harness.py --kills $(KILLS) $(if $(BUCKET),--bucket)

rehearsal: $(VENV)/.installed-dev
	$(BIN)/python -m tests.buckets.rehearsal

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
