# Two commands: `make demo` trains on real data and shows its spectra, `make test` runs every test.
# Paths stay relative, so a clone whose path has a space in it works as well.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test quick check gpu docs mutants pythons clean

# One thread: half the time of two for matrices this small, and README's numbers.
demo: .venv/.train
	OMP_NUM_THREADS=1 $(BIN)/python -m htmu_diag train digits_mlp
	@echo "htmu and tensorboard are in this environment:  . $(BIN)/activate"

# Compiled tests are kept, whatever the environment says: every process would compile each of them at each run.
test: .venv/.dev
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 5 --dist loadgroup

# Without the modules that are marked slow or long: a look at all rooms, not at all of each.
quick: .venv/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow and not long"

# Changes of one thing each, against the tests that hold them: docs/mutants.md. Two hours or so on two cores.
mutants: .venv/.dev
	$(BIN)/python -m pip install --quiet "cosmic-ray>=8.3"
	$(BIN)/python -m scripts.mutants --count 300 --seed $(or $(SEED),0)

# What only a CUDA device can show, in under nine minutes and without a network; elsewhere the tests say why they do not run.
gpu: .venv/.dev
	$(BIN)/python -m pytest tests/gpu -rs
	$(BIN)/python -m benchmarks.gpu

check: .venv/.dev
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

# The documentation as a site, in .site/html. A dead link or heading ends it. No network once it is installed.
docs: .venv/.docs
	$(BIN)/python scripts/docs_pages.py
	$(BIN)/zensical build --strict --clean

# Each Python from 3.10 on that is at hand: the package without torch, htmu doctor, a few tests; which are missing is said.
pythons:
	$(PYTHON) scripts/pythons.py

# Where $(PYTHON) has a torch and a torchvision, they stay the ones that are used: nothing is downloaded for them. An
# environment made out of another one does not see that one's packages; a .pth file shows them to it.
TORCH_S := import pathlib, torch, torchvision; print(pathlib.Path(torch.__file__).parents[1])
.venv/bin/python:
	if $(PYTHON) -c "import torch, torchvision" 2>/dev/null; then $(PYTHON) -m venv --system-site-packages .venv; \
	$(BIN)/python -c "import torch, torchvision" 2>/dev/null || $(PYTHON) -c "$(TORCH_S)" \
	> "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch_that_was_there.pth"; \
	else $(PYTHON) -m venv .venv; fi
	$(BIN)/python -m pip install --quiet --upgrade pip

# On Linux the ordinary torch brings five gigabytes of CUDA. Without NVIDIA's driver PyTorch's own index of small builds is
# tried first; where it cannot be reached, or what pip finds in its place does not fit, the ordinary build follows. One
# pip command chooses torch and torchvision together: they only import as a matching pair.
CPU_BUILDS ?= https://download.pytorch.org/whl/cpu
PIP_TORCH := -m pip install --quiet --no-compile torch torchvision
IMPORTS := -c "import torch, torchvision" 2>/dev/null
.venv/.torch: | .venv/bin/python
	@if ! $(BIN)/python $(IMPORTS); then \
	if [ "$$(uname)" != Linux ] || command -v nvidia-smi >/dev/null; then $(BIN)/python $(PIP_TORCH); else \
	echo "no NVIDIA driver: torch for the CPU, into .venv (another one: install it there first)"; \
	{ $(BIN)/python $(PIP_TORCH) --retries 0 --timeout 20 --index-url $(CPU_BUILDS) 2>/dev/null && \
	$(BIN)/python $(IMPORTS); } || { echo "no pair from $(CPU_BUILDS): the ordinary torch, several gigabytes"; \
	$(BIN)/python -m pip uninstall --quiet --yes torch torchvision 2>/dev/null; $(BIN)/python $(PIP_TORCH); }; fi; fi
	touch $@

# What is imported is compiled when it is: a minute less than compiling all that is installed.
.venv/.train: pyproject.toml | .venv/.torch
	$(BIN)/python -m pip install --quiet --no-compile --editable ".[train]"
	touch $@

.venv/.dev: pyproject.toml | .venv/.torch
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@ .venv/.train

.venv/.docs: pyproject.toml | .venv/.torch
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	touch $@

clean:
	rm -rf .site .venv .pytest_cache .mypy_cache .ruff_cache
