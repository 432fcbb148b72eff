# Two commands: `make demo` trains on real data and shows its spectra, `make test` runs every test.
# Paths stay relative, so a clone whose path has a space in it works as well.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test quick check gpu clean

demo: .venv/.train
	$(BIN)/python -m htmu_diag train digits_mlp

test: .venv/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

# Without the tests that are marked slow.
quick: .venv/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

# What only a CUDA device can show, in under nine minutes and without a network; elsewhere the tests say why they do not run.
gpu: .venv/.dev
	$(BIN)/python -m pytest tests/gpu -rs
	$(BIN)/python -m benchmarks.gpu

check: .venv/.dev
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

# One pip command chooses torch and torchvision together: they only import as a matching pair.
.venv/.train: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[train]"
	touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@ .venv/.train

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
