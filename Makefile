# Needs Python 3.11+ and make; uses uv where it is installed. `make` alone lists the targets.
# the first interpreter that really starts (a version manager's shim may only say that it does not)
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3; do $$p -c 'import venv' 2>/dev/null && echo $$p && break; done)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
UV     := $(shell command -v uv)
EXTRAS := --extra postgres --extra together --extra dask --extra odcs --extra gepa --extra signing --extra auth --extra docker --extra kubernetes

.DEFAULT_GOAL := help
SEEDS  ?= 1..20
CHAOS  ?= .chaos.jsonl
LORA   := .venv-lora
PEERS  := .venv-peers
NPM    := $(shell command -v npm)
# peers of `make bench-peers`: the releases that are measured, and the Node that promptfoo needs
INSPECT_AI := 0.3.285
OPENAI     := 3.54.0
PROMPTFOO  := 0.123.1
NODE       := 22.23.3

.PHONY: help setup setup-lora demo test test-all kills test-lora chaos lint bench bench-peers lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## the virtual environment with exactly the locked packages

$(READY): requirements.lock pyproject.toml
	@echo "Setting up $(VENV) with $(PYTHON) (about a minute) ..."
ifdef UV
	uv venv -q --allow-existing -p $(PYTHON) $(VENV)
	VIRTUAL_ENV=$(VENV) uv pip install -q --require-hashes --no-deps -r requirements.lock
	VIRTUAL_ENV=$(VENV) uv pip install -q --no-deps --no-build-isolation -e .
else
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
endif
	@echo "Compiling the near-duplicate search, once a machine ..."
	$(BIN)/python -m tasks.similarity
	@touch $@

demo: $(READY) ## the bundled use case on the embedded provider: a verdict and a registered champion
	$(BIN)/tunegate run support_intents

setup-lora: $(LORA)/.ready ## a second environment that trains on your own GPU or CPU (4.9 GB with CUDA)

$(LORA)/.ready: requirements-lora.lock pyproject.toml
	@echo "Setting up $(LORA) (some minutes) ..."
ifdef UV
	uv venv -q --allow-existing -p $(PYTHON) $(LORA)
	VIRTUAL_ENV=$(LORA) uv pip install -q --require-hashes --no-deps -r requirements-lora.lock
	VIRTUAL_ENV=$(LORA) uv pip install -q --no-deps --no-build-isolation -e .
else
	$(PYTHON) -m venv $(LORA)
	$(LORA)/bin/pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements-lora.lock
	$(LORA)/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
endif
	@touch $@

test: $(READY) ## the specification (minutes)
	$(BIN)/pytest -n auto --dist loadfile -m "not slow and not kills"

test-all: $(READY) ## everything, the slow ones included
	$(BIN)/pytest -n auto --dist loadfile -m "not kills"

kills: $(READY) ## Prefect's server, MLflow's and the worker killed at each stage of the weeks after a verdict
	$(BIN)/pytest tests/chaos/test_weeks.py tests/chaos/test_long_outage.py

test-lora: $(LORA)/.ready ## the lora trainer, with torch
	$(LORA)/bin/pytest tests/lora

chaos: $(READY) ## random kills and faults, SEEDS=a..b; totals gather in CHAOS=file
	$(BIN)/python -m tests.chaos --seeds $(SEEDS) --result $(CHAOS)

lint: $(READY) ## style, types, the floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## speed, as ratios to a limit measured in the same run
	$(BIN)/python -m tests.bench

bench-peers: $(READY) $(PEERS)/.inspect_ai-$(INSPECT_AI) $(PEERS)/.promptfoo-$(PROMPTFOO) ## answers beside promptfoo and inspect_ai, each in an environment of its own
	$(BIN)/python -m tests.bench answers --full

$(PEERS)/.inspect_ai-$(INSPECT_AI):
	@echo "Setting up inspect_ai in $(PEERS) (360 MB) ..."
ifdef UV
	uv venv -q --allow-existing -p $(PYTHON) $(PEERS)/inspect_ai
	VIRTUAL_ENV=$(PEERS)/inspect_ai uv pip install -q inspect_ai==$(INSPECT_AI) openai==$(OPENAI)
else
	$(PYTHON) -m venv $(PEERS)/inspect_ai
	$(PEERS)/inspect_ai/bin/pip install -q --disable-pip-version-check inspect_ai==$(INSPECT_AI) openai==$(OPENAI)
endif
	@touch $@

$(PEERS)/.promptfoo-$(PROMPTFOO):
ifdef NPM
	@echo "Setting up promptfoo in $(PEERS), with a Node of its own (1.6 GB) ..."
	npm install --prefix $(PEERS)/promptfoo --no-audit --no-fund --loglevel=error promptfoo@$(PROMPTFOO) node@$(NODE)
	@touch $@
else
	@echo "promptfoo is left out: npm is not on this machine. Install Node.js and run this again."
endif

lock: ## resolve again (needs uv); the lock carries names, versions and hashes only
	uv pip compile pyproject.toml $(EXTRAS) --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade -q -o requirements.lock
	uv pip compile pyproject.toml --extra lora --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade -q -c requirements.lock -o requirements-lora.lock

clean: ## the virtual environment and the local state
	rm -rf $(VENV) $(LORA) $(PEERS) .tunegate $(CHAOS)
