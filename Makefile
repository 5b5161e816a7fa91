SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
RUST := $(shell find resolver_core -type f -not -path '*/target/*' 2>/dev/null) Cargo.toml Cargo.lock
PYTEST_ARGS ?=

export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export MYPYPATH := server:clients/python/src:clients/pos/src
# The binding is linted with its feature on; pyo3 then asks an interpreter for its version.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export CARGO_TERM_COLOR ?= never

.PHONY: help
help: ## Shows this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

# --- build ---------------------------------------------------------------------------------------------------------

.PHONY: build
build: $(STAMPS)/core ## Creates .venv from requirements.lock and builds the Rust core into it.

$(STAMPS)/venv:
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	mkdir -p $(STAMPS)
	touch $@

$(STAMPS)/uv: tools/bootstrap.txt $(STAMPS)/venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tools/bootstrap.txt
	touch $@

$(STAMPS)/lock: requirements.lock $(STAMPS)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	touch $@

# The lock is installed first, so maturin finds every dependency satisfied and resolves nothing itself.
$(STAMPS)/core: $(RUST) pyproject.toml $(STAMPS)/lock
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/maturin develop --release --uv --locked
	touch $@

# The tools to compare with are many and large; they go on top of the lock, by themselves.
$(STAMPS)/compare: requirements-compare.lock $(STAMPS)/lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-compare.lock
	touch $@

LOCKING := --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header --universal --python-version 3.11

.PHONY: lock
lock: $(STAMPS)/uv ## Renews requirements.lock and requirements-compare.lock from pyproject.toml.
	$(BIN)/uv pip compile pyproject.toml $(LOCKING) --extra embedded --extra demo --extra dev -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml $(LOCKING) --extra compare -c requirements.lock -o requirements-compare.lock
	$(BIN)/python tools/bootstrap.py

# --- checks --------------------------------------------------------------------------------------------------------

.PHONY: lint lint-python lint-proto lint-rust
lint: lint-python lint-proto lint-rust ## Runs every static check.

lint-python: build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tools
	$(BIN)/mypy loadtest
	$(BIN)/mypy clients/python
	$(BIN)/mypy clients/pos
	$(BIN)/lint-imports --no-cache
	$(BIN)/stubtest goldthread._core

lint-proto: build
	$(BIN)/python tools/genproto.py --check
	$(BIN)/buf lint proto
	$(BIN)/buf breaking proto --against proto/baseline.binpb

lint-rust: $(STAMPS)/venv
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

.PHONY: test test-rust test-python
test: build lint test-rust test-python ## Builds, lints and runs every test.

test-rust: build
	cargo test --locked --workspace --quiet

# Two halves of about the same length run beside each other on two cores; PYTEST_ARGS runs what it names alone.
test-python: build
ifeq ($(PYTEST_ARGS),)
	rm -f build/test-integration.xml build/test-others.xml
	$(MAKE) --no-print-directory --keep-going --jobs=2 test-integration test-others \
		|| { $(BIN)/python tools/failures.py build/test-integration.xml build/test-others.xml; exit 1; }
else
	$(BIN)/python -m pytest $(PYTEST_ARGS)
endif

PARTS := tests/integration tests/contract

.PHONY: test-integration test-others
test-integration: build ## Runs the tests of parts against real servers.
	$(BIN)/python -m pytest --junitxml=build/$@.xml $(PARTS)

test-others: build ## Runs all other tests: units, the house's rules, the whole service.
	$(BIN)/python -m pytest --junitxml=build/$@.xml $(addprefix --ignore=,$(PARTS))

# --- the rest ------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: build ## Runs the whole line on real servers and prints a report.
	$(BIN)/goldthread demo

.PHONY: gate
SEED ?= 1
GATE_ARGS ?= --bugs
gate: build ## Runs the whole service under faults, compares it with the oracle, then plants known bugs (SEED=n).
	PYTHONPATH=tests $(BIN)/python -m gate --seed $(SEED) $(GATE_ARGS)

TURNS ?= 50
STORMS := tests/integration/flows/test_steward_storms.py tests/integration/flows/test_storms.py tests/integration/flows/test_killed_looks.py

.PHONY: storm
storm: build ## Runs the storm tests TURNS times over, until one fails.
	for turn in $$(seq $(TURNS)); do \
		echo "turn $$turn of $(TURNS)"; $(BIN)/python -m pytest -q -p no:cacheprovider $(STORMS); \
	done

.PHONY: up
up: build ## Runs the service with embedded servers in ./.goldthread until interrupted.
	$(BIN)/goldthread up --data-dir .goldthread

.PHONY: proto
proto: build ## Generates the Python stubs of proto/.
	$(BIN)/python tools/genproto.py

.PHONY: proto-baseline
proto-baseline: build ## Accepts today's protos as what later ones must not break (at a release).
	$(BIN)/buf build proto --exclude-source-info -o proto/baseline.binpb

.PHONY: format
format: build ## Formats Python, protos and Rust.
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/buf format --write proto
	cargo fmt --all

.PHONY: bench
bench: build ## Runs the Criterion benchmarks of the Rust core.
	cargo bench --locked --workspace

# AGAINST is built aside first, with an environment of its own: a few minutes.
AGAINST ?= HEAD~1
PAIRS ?= 7

.PHONY: bench-ingest
bench-ingest: build ## Compares ingest throughput with the commit AGAINST, in alternating PAIRS.
	$(BIN)/python -m loadtest.ingest_pairs --against $(AGAINST) --pairs $(PAIRS)

STREAM_ARGS ?=

.PHONY: bench-stream bench-stream-pairs
bench-stream: build ## Drains events from Kafka to cards: events/s, processor time per event by process, memory (STREAM_ARGS="--workers 2 --rate 2500").
	$(BIN)/python -m loadtest.stream $(STREAM_ARGS)

bench-stream-pairs: build ## Compares bench-stream with the commit AGAINST, in alternating PAIRS.
	$(BIN)/python -m loadtest.stream.pairs --against $(AGAINST) --pairs $(PAIRS) -- $(STREAM_ARGS)

LOAD_SECONDS ?= 600
SCENARIO ?= mixed
LOAD_ARGS ?=

.PHONY: load load-h2 load-web load-ceiling
load: build ## Loads the whole service by Locust for LOAD_SECONDS and judges it (SCENARIO=mixed, ramp, black-friday, resolve, redis-stopped).
	$(BIN)/python -m loadtest.locust --scenario $(SCENARIO) --seconds $(LOAD_SECONDS) $(LOAD_ARGS)

load-h2: build ## The same beside 2,000 lookups a second by h2load, which must be installed.
	$(BIN)/python -m loadtest.locust --scenario h2 --seconds $(LOAD_SECONDS) $(LOAD_ARGS)

load-web: build ## The same with Locust's page, until Ctrl-C.
	$(BIN)/python -m loadtest.locust --scenario $(SCENARIO) --web $(LOAD_ARGS)

load-ceiling: build ## Measures what Locust's callers can do at most, against a server that does nothing, and one that does it slowly.
	$(BIN)/python -m loadtest.locust.ceiling
	$(BIN)/python -m loadtest.locust.ceiling --slow-ms 100 --rate 400

VALUES ?= 100
PEOPLE ?= 10000

.PHONY: bench-generics
bench-generics: build ## Counts false merges with and without VALUES generic values on PEOPLE people each.
	$(BIN)/python -m loadtest.generics --values $(VALUES) --people $(PEOPLE)

FILL = .cache/bench-batch/retail-2400000.parquet

.PHONY: bench-fill
bench-fill: build ## Loads FILL, of generated records as bench-batch leaves them, into an empty ledger.
	$(BIN)/python -m loadtest.fill $(FILL)

SHIPPED = build/shipped

.PHONY: shipped-model
shipped-model: build ## Generates a retailer's records and trains the model that ships on them, without their truth: about a minute.
	mkdir -p $(SHIPPED)
	$(BIN)/goldthread generate --events 100000 --people 75000 --seed 31 --out $(SHIPPED)/records.csv.gz
	$(BIN)/goldthread train $(SHIPPED)/records.csv.gz --blueprint server/goldthread/models/blueprint-retail.toml --region US \
		--ignore truth --population 2400000 --version retail-persons-1 --out server/goldthread/models/retail-persons-1.toml --report $(SHIPPED)/report.html

# Of an environment that has splink: SPLINK=/path/to/python. The first run generates the records: some minutes.
SPLINK ?= $(BIN)/python
BATCH_ARGS ?=

.PHONY: bench-batch
bench-batch: build ## Matches 0.3 to 2.4 million generated records, against SPLINK's Splink, and inputs made to hurt.
	$(BIN)/python -m loadtest.batch --splink $(SPLINK) $(BATCH_ARGS)

SETS ?=
SYSTEMS ?=

.PHONY: bench-quality
bench-quality: build $(STAMPS)/compare ## Measures every labelled set × fields × system (SETS="fake1000 …", SYSTEMS="splink …").
	$(BIN)/python -m loadtest.quality $(foreach set,$(SETS),--set $(set)) $(foreach system,$(SYSTEMS),--system $(system)) --out build/quality

RECORDS ?= 20000 100000 300000

.PHONY: bench-blocking
bench-blocking: build ## Measures what blocking finds of generated customers at each number of RECORDS, and what it costs.
	$(BIN)/python -m loadtest.quality.blocking $(foreach count,$(RECORDS),--records $(count))

LOOKUP_ARGS ?=

PEER := loadtest/lookup/express
EXAMPLES := target/release/examples

$(PEER)/node_modules: $(PEER)/package.json $(PEER)/package-lock.json
	npm ci --silent --no-audit --no-fund --prefix $(PEER)
	touch $@

.PHONY: bench-lookup
bench-lookup: build $(PEER)/node_modules ## Measures lookups on one core beside Express, echoes by tonic and grpc.aio, and the cache; needs node and two cores.
	cargo build --locked --release --package goldthread-register --example echo --example load
	$(BIN)/python -m loadtest.lookup --echo $(EXAMPLES)/echo --load $(EXAMPLES)/load --out build/bench-lookup.json $(LOOKUP_ARGS)

OUTAGE_ARGS ?=

.PHONY: storm-outage
storm-outage: build ## Stops the cache for a minute under lookups by the clock, then kills one: nobody may be unknown or wait long.
	$(BIN)/python -m loadtest.outage --fault stop $(OUTAGE_ARGS)
	$(BIN)/python -m loadtest.outage --fault kill $(OUTAGE_ARGS)

FLAME_ARGS ?=
FLAME := target/flame
INFERNO := 0.12.8

$(FLAME)/bin/inferno-flamegraph:
	cargo install --locked --quiet --root $(FLAME) --version $(INFERNO) inferno

.PHONY: flame
flame: build $(FLAME)/bin/inferno-flamegraph ## Draws where a lookup's time goes: build/flame.svg; needs perf and two cores.
	cargo build --locked --release --package goldthread-register --example load
	RUSTFLAGS="-C force-frame-pointers=yes" CARGO_TARGET_DIR=$(FLAME) cargo build --locked --profile flame --package goldthread-register --example serve
	$(BIN)/python -m loadtest.lookup.flame --serve $(FLAME)/flame/examples/serve --load $(EXAMPLES)/load --inferno $(FLAME)/bin --out build/flame.svg $(FLAME_ARGS)

.PHONY: clean
clean: ## Removes everything that was built, the environment included.
	rm -rf $(VENV) target build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find server tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f server/goldthread/*.so
