# Every target works in a fresh clone: uv is found or downloaded, and `fds setup` gets the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
UV := $(shell command -v uv 2>/dev/null || echo .fds/uv/bin/uv)
RUN := $(UV) run --frozen
# folder of a downloaded uv, for programs that look it up on PATH
export PATH := $(PATH):$(CURDIR)/.fds/uv/bin
PATHS := agents fds infra offline scripts stack_runtime data_stack tests

.PHONY: help up down test test-slow check audit format setup

help: ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.fds/uv/bin/uv:
	@python3 -m venv .fds/uv && .fds/uv/bin/pip install --quiet uv

# download uv again if the one that created the environment is missing
.venv/.ready: pyproject.toml uv.lock | $(filter .fds/%,$(UV))
	@echo "Python packages: uv sync" && $(UV) sync --frozen --quiet --compile-bytecode
	@$(RUN) python -m compileall -q $(PATHS) && touch $@

setup: .venv/.ready ## find or download engine, plugins, Docker and images
	@$(RUN) fds setup

up: setup ## deploy the dev stack, load the sample, show the status
	@$(RUN) fds up
	@$(RUN) fds run --csv data_stack/samples/transactions.csv
	@$(RUN) fds status

down: .venv/.ready ## remove the dev stack but keep its data
	@$(RUN) fds down

test: setup ## run the tests, except the longest, against the real engine, Docker and databases
	@. .fds/env && $(RUN) python -m tests.kit.prepare && $(RUN) pytest -n 3 -m "not slow"

test-slow: setup ## run the longest tests, such as kills and faults of the API
	@. .fds/env && $(RUN) python -m tests.kit.prepare && $(RUN) pytest -n 3 -m slow

check: .venv/.ready ## format, lint and type checks
	$(RUN) black --check --quiet $(PATHS)
	$(RUN) ruff check --quiet $(PATHS)
	$(RUN) mypy
	$(RUN) sqlfluff lint --processes 2 data_stack/dbt
	$(RUN) pymarkdown --config pyproject.toml scan README.md ARCHITECTURE.md CONTRIBUTING.md docs data_stack/singer/*/README.md offline/README.md fds/templates/project/README.md data_stack/airflow/dags/README.md

audit: .venv/.ready ## check the locked packages for known vulnerabilities
	@$(RUN) python -m scripts.audit

format: .venv/.ready ## format Python and SQL
	$(RUN) black --quiet $(PATHS)
	$(RUN) ruff check --fix --quiet $(PATHS)
	$(RUN) sqlfluff fix --quiet data_stack/dbt
