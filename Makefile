# Everything a developer types. `make help` lists the targets; each target says what it does after `##`.
# What needs Python runs from .venv, which `make setup` makes from the hash-pinned lock.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP_INSTALL := -m pip install --quiet --quiet --disable-pip-version-check --no-input
# The interpreter .venv is made with: the first of these which is good enough.
BASE_PYTHONS ?= python3.11 python3.12 python3.13 python3
CAPTURES ?=
ARGS ?=
# Tests that share something dear stay on one core; tests/conftest.py says which, and their order.
ON_ALL_CORES := --numprocesses auto --no-loadscope-reorder

# The stamp holds the directory it was made in: scripts of a copied .venv point at the checkout they
# came from, so where the stamp names another one, .venv is made anew.
STAMP := $(VENV)/.setup
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

.PHONY: help
help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP)  ## install everything into .venv from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@if [ -f $@ ] && [ "$$(cat $@)" != "$(CURDIR)" ]; then rm -rf $(VENV); fi
	@good='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'; \
	if ! $(PYTHON) -c "$$good" >/dev/null 2>&1; then \
	    for base in $(BASE_PYTHONS) none; do \
	        if $$base -c "$$good" >/dev/null 2>&1; then break; fi; \
	    done; \
	    if [ $$base = none ]; then \
	        echo "setup: Python 3.11 or newer with its venv module was not found (looked for: $(BASE_PYTHONS))." >&2; \
	        echo "  Install it (on Debian and Ubuntu: python3.11 and python3.11-venv), or name one:" >&2; \
	        echo "  make setup BASE_PYTHONS=/path/to/python3.11" >&2; \
	        exit 1; \
	    fi; \
	    echo "setup: making $(VENV) with $$($$base --version)"; \
	    $$base -m venv --clear $(VENV); \
	fi
	@echo "setup: installing from requirements.lock (some minutes the first time)"
	@$(PYTHON) $(PIP_INSTALL) --require-hashes --only-binary :all: -r requirements.lock
	@$(PYTHON) $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > $@
	@echo "setup: done"

.PHONY: demo
demo: $(STAMP)  ## the main job on a simulated market, or on CAPTURES=path
	@$(VENV)/bin/imbalance demo $(if $(CAPTURES),"$(CAPTURES)")

.PHONY: test
test: $(STAMP)  ## the fast tests (ARGS="tests/store -x" narrows them)
	@$(PYTHON) -m pytest -q $(ON_ALL_CORES) $(ARGS)

.PHONY: test-slow
test-slow: $(STAMP)  ## the tests marked slow
	@$(PYTHON) -m pytest -q -m slow $(ON_ALL_CORES) $(ARGS)

.PHONY: oracles
oracles: $(STAMP)  ## every study against its oracles: expected, got, tolerance, seconds
	@$(PYTHON) -m pytest -q -m oracle --oracle-table $(ON_ALL_CORES) $(ARGS)

# The lock of this project with DuckDB 2 in the place of 1.5; nothing else differs.
.PHONY: test-duckdb2
test-duckdb2: .venv-duckdb2/.setup  ## the fast tests on DuckDB 2.0
	@.venv-duckdb2/bin/python -m pytest -q $(ON_ALL_CORES) $(ARGS)

.venv-duckdb2/.setup: requirements.lock requirements-duckdb2.lock pyproject.toml | $(STAMP)
	@$(PYTHON) -m venv --clear .venv-duckdb2
	@echo "setup: installing .venv-duckdb2"
	@.venv-duckdb2/bin/python $(PIP_INSTALL) --require-hashes --only-binary :all: -r requirements.lock
	@.venv-duckdb2/bin/python $(PIP_INSTALL) --require-hashes --only-binary :all: --no-deps -r requirements-duckdb2.lock
	@.venv-duckdb2/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: lint
lint: $(STAMP)  ## ruff over Python, sqlfluff over sql/
	@good=0; \
	$(PYTHON) -m ruff check --quiet . || good=1; \
	$(PYTHON) -m sqlfluff lint --quiet --disable-progress-bar sql || good=1; \
	exit $$good

.PHONY: types
types: $(STAMP)  ## mypy over imbalance, assets and pipelines
	@$(PYTHON) -m mypy

.PHONY: contracts
contracts: $(STAMP)  ## who may import whom
	@$(VENV)/bin/lint-imports --no-logo

# The peer has an environment of its own: what it needs is none of this project's business.
.PHONY: benchmark
benchmark: .venv-benchmark/.setup $(STAMP)  ## the main job against a named peer, ratios printed
	@$(PYTHON) -m benchmarks $(ARGS)

.PHONY: benchmark-studies
benchmark-studies: $(STAMP)  ## estimators of the studies against named libraries, ratios printed
	@$(PYTHON) -m benchmarks.studies $(ARGS)

.PHONY: benchmark-decoding
benchmark-decoding: $(STAMP)  ## each capture decoded, against DuckDB's reading of the same lines (CAPTURES=path)
	@$(PYTHON) -m benchmarks.venue_decoding $(if $(CAPTURES),"$(CAPTURES)",../shared/captures) $(ARGS)

.PHONY: benchmark-streams
benchmark-streams: $(STAMP)  ## long recordings of venues decoded, against DuckDB's reading of them (CAPTURES=path)
	@$(PYTHON) -m benchmarks.venue_streams $(if $(CAPTURES),"$(CAPTURES)",../shared/captures/cryptofeed/v3) $(ARGS)

.PHONY: benchmark-orders
benchmark-orders: $(STAMP)  ## a book from single orders, against the same book from levels, ratio printed
	@$(PYTHON) -m benchmarks.orders $(ARGS)

.PHONY: benchmark-generations
benchmark-generations: $(STAMP)  ## ten thousand generations listed from the index and from their manifests
	@$(PYTHON) -m benchmarks.generations $(ARGS)

.venv-benchmark/.setup: benchmarks/requirements.lock | $(STAMP)
	@$(PYTHON) -m venv --clear .venv-benchmark
	@echo "setup: installing .venv-benchmark"
	@.venv-benchmark/bin/python $(PIP_INSTALL) --require-hashes --only-binary :all: -r $<
	@touch $@

.PHONY: ui
ui: $(STAMP)  ## Dagster in the browser, on this machine only
	@$(VENV)/bin/imbalance ui

.PHONY: docs
docs: $(STAMP)  ## write the generated pages of docs/ again
	@$(PYTHON) -m imbalance.docs
	@$(PYTHON) .ci/lineage.py

.PHONY: docs-site
docs-site: $(STAMP)  ## the pages as a site to read without a network, in build/site
	@$(PYTHON) .ci/docs_site.py

.PHONY: wheel
wheel: $(STAMP)  ## build the library's wheel into dist/
	@$(PYTHON) -m hatchling build -t wheel

.PHONY: lock
lock:  ## resolve requirements.lock again (needs uv)
	@command -v uv >/dev/null || { echo "lock: uv is not installed" >&2; exit 1; }
	@uv pip compile --quiet pyproject.toml --extra application --group dev --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header --no-strip-extras --python-version 3.11 \
	    -o requirements.lock

.PHONY: clean
clean:  ## remove caches and build products (.venv and warehouse/ stay)
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
