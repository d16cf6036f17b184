# Everything runs in the project's own environment, which the first target that needs it builds.
# A machine with Python 3.11 or 3.12 and make is enough; nothing here uses the network but `setup`.

SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTHON ?= $(shell for python in python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && echo $$python && break; done)

.PHONY: help setup demo test test-fast lint types imports check bench bench-quality lock up clean

help: ## List what make can do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: .venv/.complete ## Build the environment in .venv with the command `shopfloor`

.venv/.complete: requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed and none was found; install one or call make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Show the whole way from a click to a changed answer (ONCE=1 stops after printing)
	$(BIN)/shopfloor demo $(if $(ONCE),--once)

test: setup ## Run all tests; what needs a missing program is skipped, naming it
	$(BIN)/python -m pytest $(PYTEST)

test-fast: setup ## Run the unit tests
	$(BIN)/python -m pytest tests/unit $(PYTEST)

lint: setup ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## Check types strictly
	$(BIN)/mypy

imports: setup ## Check that imports go one way
	$(BIN)/lint-imports

check: lint types imports ## Lint, types and import rules

bench: setup ## Measure speed, memory and accuracy; prints a table, writes benchmarks/results.json
	$(BIN)/python -m benchmarks --json benchmarks/results.json

bench-quality: setup ## Measure accuracy alone, beside popularity and the published figures
	$(BIN)/python -m benchmarks --only accuracy next_order new_items

up: setup ## Run the whole system with shopfloor.toml of this folder
	$(BIN)/shopfloor up

lock: ## Pin and hash every dependency anew (needs uv)
	uv pip compile pyproject.toml --extra kafka --extra search --universal --generate-hashes --no-header --no-annotate --quiet -o requirements.txt
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-header --no-annotate --quiet -c requirements.txt -o requirements-dev.txt

clean: ## Remove the environment and caches, never the data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
