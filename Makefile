# `make run` needs nothing but make, git and Python; see README.md.
.DEFAULT_GOAL := help
.PHONY: help setup run test e2e bench bench-live ledger fuzz openapi lint fmt lock clean

PYTHON := .venv/bin/python
UV := $(or $(shell command -v uv),.venv/bin/uv)
COMPILE := $(UV) pip compile pyproject.toml --extra embedded --universal --python-version 3.12 \
	--generate-hashes --no-emit-index-url --no-header --quiet
# More for pytest, for example: make test ARGS="-k digest -x"
ARGS :=
# Whole files side by side: the processes that a file starts are its own. One more than there are
# processors, since many tests wait for something.
PROCESSES := $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 4 ? cores + 1 : 4)))
PARALLEL := -n $(PROCESSES) --dist loadfile --no-loadscope-reorder
# Hundreds of processes are started; none shall compile anew what the one before it has.
unexport PYTHONDONTWRITEBYTECODE

help: ## explain the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv, with all that running, testing and developing needs
	@bin/setup dev

run: ## start everything on http://127.0.0.1:8000 (PORT, EYE_DATA_DIR); Ctrl-C stops it
	@bin/setup
	@$(PYTHON) manage.py up

test: ## run all tests, on a database and a broker of their own (ARGS for pytest)
	@bin/setup dev
	$(PYTHON) -m pytest $(PARALLEL) $(ARGS)

e2e: ## run the browser tests only
	@bin/setup dev
	$(PYTHON) -m pytest -m browser $(PARALLEL) $(ARGS)

bench: ## measure everything beside its limit, for half an hour (ARGS="accept_singles digest" or --quick)
	@bin/setup dev
	$(PYTHON) -m bench $(ARGS)

bench-live: ## measure how late a move of the pointer is on the charts, in a real browser (ARGS=--quick)
	@bin/setup dev
	$(PYTHON) -m bench live $(ARGS)

ledger: ## prove, while faults are injected, that a 202 means kept (LONG=1: a million events)
	@bin/setup dev
	$(PYTHON) -m ledger $(if $(LONG),--long) $(ARGS)

fuzz: ## hold the API to its OpenAPI document for ten minutes (EYE_FUZZ_SECONDS)
	@bin/setup dev
	EYE_FUZZ_SECONDS=$${EYE_FUZZ_SECONDS:-600} $(PYTHON) -m pytest tests/test_contract.py $(ARGS)

openapi: ## write docs/openapi.json anew, from the code
	@bin/setup dev
	$(PYTHON) manage.py openapi > docs/openapi.json

lint: ## check style, types, imports, migrations and compose.yml
	@bin/setup dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	PYTHONPATH=.:site .venv/bin/lint-imports
	$(PYTHON) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec compose.yml
	.venv/bin/compose-lint compose.yml

fmt: ## format the code and mend what can be mended by itself
	@bin/setup dev
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

lock: ## resolve both lock files anew, within the bounds of pyproject.toml
	@bin/setup dev
	$(COMPILE) --upgrade -o requirements.lock
	$(COMPILE) --upgrade --group dev -c requirements.lock -o requirements-dev.lock

clean: ## remove .venv and all caches; the data in .data stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis test-artifacts
	find . -name __pycache__ -type d -not -path './.data/*' -prune -exec rm -rf {} +
