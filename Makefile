# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := libs services gateway operator cli tests scripts bench

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench bench-forecast kube cluster cluster-down e2e images helm dev screenshots lock docs clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.run ## Train the shipped sample on an embedded stack and watch it live
	@scripts/page build
	@$(BIN)/levain demo

test: $(VENV)/.dev ## Run all tests; installs RabbitMQ, PostgreSQL and Prometheus where it may
	@scripts/test $(BIN)/python

check: $(VENV)/.dev ## Format, lint, types, import contracts, drift of generated files
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m scripts.generate --check
	@scripts/page check

format: $(VENV)/.dev ## Format and mend what can be mended
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

bench: $(VENV)/.dev ## Run the benchmarks: ratios against a peer or a floor in the same run
	@$(BIN)/python -m bench

bench-forecast: $(VENV)/.dev ## Run the benchmarks of the forecasts: accuracy, intervals, CPU, the stack's share; real sales in LEVAIN_BENCH_DATA
	@$(BIN)/python -m bench forecast forecast_stack forecast_end_to_end $(ARGS)

kube: ## Build the parts of Kubernetes that the operator's tests run on (once, about 5 minutes)
	@scripts/kube

cluster: $(VENV)/.dev ## Start a Kubernetes node to play with, with the images of this checkout; needs root, no Docker
	@! scripts/node || $(BIN)/python -m tests.node up

cluster-down: $(VENV)/.dev ## Take that node away
	@$(BIN)/python -m tests.node down

e2e: $(VENV)/.dev ## Install the chart on a Kubernetes node of its own, run the tests of it and take all down
	@scripts/e2e

images: $(VENV)/.dev ## Build the images without Docker, and print their sizes
	@! scripts/node || $(BIN)/python -m tests.node images

helm: ## Build Helm for the chart's tests where it is missing (once, about a minute)
	@scripts/helm

dev: ## Run it on a kind cluster and follow the sources: skaffold dev $(ARGS)
	@scripts/dev $(ARGS)

docs: $(VENV)/.dev ## Make the generated documents again
	@$(BIN)/python -m scripts.generate

screenshots: $(VENV)/.dev ## Make the pictures of the page in docs/img anew
	@scripts/page screenshots $(BIN)/python

lock: $(VENV)/.dev ## Make the lock files again, with hashes and without download addresses
	@scripts/lock

clean: ## Remove the virtual environment and all caches
	rm -rf $(VENV) frontend/node_modules frontend/dist .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache

$(VENV)/.run: requirements/cli.txt requirements/build.txt pyproject.toml scripts/bootstrap
	@PYTHON=$(PYTHON) scripts/bootstrap $(VENV) requirements/cli.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/build.txt pyproject.toml scripts/bootstrap
	@PYTHON=$(PYTHON) scripts/bootstrap $(VENV) requirements/dev.txt
	@touch $@ $(VENV)/.run
