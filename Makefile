# One command for each purpose; `make help` lists them. Everything happens in .venv; nothing needs root or Docker.

PYTHON ?= python3
PYTEST_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PIP_COMPILE := $(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --build-deps-for=editable \
	--no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
# Unit tests flush thousands of small files: they do it in memory where 2 GiB of it are free for files.
IN_MEMORY = $(shell df -k --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 >= 2097152 \
	{ print "env TMPDIR=/dev/shm PYTEST_DEBUG_TEMPROOT=/dev/shm" }')

.DEFAULT_GOAL := help
.PHONY: help demo test lint types contracts integration bench lock clean
.DELETE_ON_ERROR:

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(RUNTIME) ## run the whole exchange once, on SQLite and the local file system
	$(BIN)/edoc demo

test: $(DEVELOPMENT) ## unit tests
	$(IN_MEMORY) $(BIN)/python -m pytest -n auto -o tmp_path_retention_policy=failed $(PYTEST_ARGS) tests/unit

lint: $(DEVELOPMENT) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEVELOPMENT) ## mypy, strict
	$(BIN)/mypy

contracts: $(DEVELOPMENT) ## import-linter: which folder may import which
	$(BIN)/lint-imports

integration: $(DEVELOPMENT) ## tests with real programs (PostgreSQL, MinIO, xmlsec1, JDK, poppler); skipped where absent
	$(BIN)/python -m pytest $(PYTEST_ARGS) $(wildcard tests/integration tests/conformance tests/end_to_end)

bench: $(DEVELOPMENT) ## measure the speed against its floor
	$(BIN)/python -m tests.benchmarks

# Without the file there is nothing that would hold a version back, so this also updates.
lock: $(DEVELOPMENT) ## write both lock files anew from setup.cfg
	rm -f requirements.txt requirements-dev.txt
	$(PIP_COMPILE) --output-file=requirements.txt setup.cfg
	$(PIP_COMPILE) --extra=dev --constraint=requirements.txt --output-file=requirements-dev.txt setup.cfg
	sed -i '1i # Made by `make lock` from setup.cfg; not edited by hand.' requirements.txt requirements-dev.txt

clean: ## remove the environment and everything the tools have left
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf .coverage* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
		echo "$(PYTHON) is not Python 3.11 to 3.14. Name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt setup.cfg pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes --requirement requirements.txt
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	$(PIP_INSTALL) --require-hashes --requirement requirements-dev.txt
	@touch $@
