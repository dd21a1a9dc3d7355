# The few words a developer types. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
.DEFAULT_GOAL := help
# The tests that run against a server's store, whichever it is.
ON_POSTGRES := tests/rpc tests/watch tests/faults tests/stateful tests/client

.PHONY: help install run test check generate demo clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(READY) ## Set up .venv with everything that running and testing need.

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

run: $(READY) ## Start the server on SQLite.
	@$(BIN)/python scripts/run.py

demo: $(READY) ## Watch real commands succeed, fail, time out, be cancelled and retried.
	@$(BIN)/python examples/demo.py

test: $(READY) ## Run every test, with branch coverage; what depends on the store, on PostgreSQL again.
	$(BIN)/pytest -n auto --cov --cov-report= tests
	$(BIN)/pytest -n auto --cov --cov-append --cov-report=term:skip-covered --store=postgres $(ON_POSTGRES)

check: $(READY) ## Everything that CI checks beside the tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format -d --exit-code protos
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/breaking
	scripts/generate --check

generate: ## Make the stubs anew from protos/.
	scripts/generate

clean: ## Remove what was set up, not what was stored.
	rm -rf .venv .venv-generate .coverage* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
