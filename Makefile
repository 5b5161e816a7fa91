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
export MYPYPATH := server
# The binding is linted with its feature on; pyo3 then asks an interpreter for its version.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export CARGO_TERM_COLOR ?= never

.PHONY: help
help: ## Shows this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

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

test-python: build
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# --- the rest ------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: build ## Runs the whole line on real servers and prints a report.
	$(BIN)/goldthread demo

.PHONY: gate
SEED ?= 1
GATE_ARGS ?= --bugs
gate: build ## Runs the whole service under faults, compares it with the oracle, then plants known bugs (SEED=n).
	PYTHONPATH=tests $(BIN)/python -m gate --seed $(SEED) $(GATE_ARGS)

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

VALUES ?= 100
PEOPLE ?= 10000

.PHONY: bench-generics
bench-generics: build ## Counts false merges with and without VALUES generic values on PEOPLE people each.
	$(BIN)/python -m loadtest.generics --values $(VALUES) --people $(PEOPLE)

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

.PHONY: clean
clean: ## Removes everything that was built, the environment included.
	rm -rf $(VENV) target build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find server tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f server/goldthread/*.so
