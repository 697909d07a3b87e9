# `make verify` and `make test` are all a newcomer needs; both build their own .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: verify test slow bench lint tools-page clean

$(VENV)/.core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/.test: $(VENV)/.core
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[test]'
	touch $@

$(VENV)/.bench: $(VENV)/.test
	$(PIP) --editable '.[bench]'
	touch $@

$(VENV)/.lint: $(VENV)/.core
	$(PIP) --editable '.[lint]'
	touch $@

verify: $(VENV)/.core
	$(BIN)/refconf verify

test: $(VENV)/.test
	$(BIN)/python -m pytest -q -n 2

slow: $(VENV)/.test
	$(BIN)/python -m pytest -q -m slow

bench: $(VENV)/.bench
	$(BIN)/python tools/bench.py --output build/bench.json

# docs/tools.md, from the coverage of a generated suite
tools-page: $(VENV)/.core
	$(BIN)/refconf generate -o build/suite-high --profile high --seed 1
	$(BIN)/refconf coverage build/suite-high --json build/coverage-high.json
	$(BIN)/python tools/tools_table.py build/coverage-high.json

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info
