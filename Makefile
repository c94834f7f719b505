# make demo    adapt a small network from a drawn game to a drawn city at dusk, and show what it gains
# make test    run the tests (make test-slow: the long ones; make test-gpu, make gpu: on a GPU; make lint: style and types)
# make docs    build the documentation site into site/
# make setup   only make the virtual environment .venv and install what is needed

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
DEMO := work_dirs/demo
# A process for each core, but each takes more than a gigabyte. The tests of a file share what they
# need first, such as a training, and stay together.
PYTEST := $(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: setup demo test test-slow test-gpu gpu lint docs clean-demo

setup: $(VENV)/ready

# pip's bar shows the progress; torch alone is several hundred megabytes.
$(VENV)/ready: setup.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "daseg needs Python 3.10 or newer; say which: make $@ PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -e '.[dev,lite0]'
	touch $@

# It goes on where it was stopped.
demo: setup
	$(PY) -m daseg demo --work-dir $(DEMO)

# What `make demo` has made; what else lies there, such as other runs, stays.
clean-demo:
	rm -rf $(addprefix data/demo_dusk/,gta5 cityscapes contact_sheet.png demo_world.json)
	rm -rf $(addprefix $(DEMO)/,runs steps report report.html report.md study.json panel.png)

test: setup
	$(PYTEST) -m 'not slow'

test-slow: setup
	$(PYTEST) -m slow

test-gpu: setup
	DASEG_TEST_GPU=1 $(PY) -m pytest -m cuda

# Six minutes on a GPU: tests, time and memory, one JSON file; ARGS='--peer AdaptSegNet'.
gpu: setup
	mkdir -p work_dirs
	PYTHON=$(PY) tests/gpu/run.sh work_dirs/gpu.json $(ARGS)

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

docs: $(VENV)/docs-ready
	$(PY) -m mkdocs build --strict

$(VENV)/docs-ready: $(VENV)/ready
	$(PY) -m pip install -e '.[docs]'
	touch $@
