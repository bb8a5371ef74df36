# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := libs services gateway operator cli tests scripts bench

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench kube helm lock docs clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.run ## Train the shipped sample on an embedded stack and watch it live
	@$(BIN)/levain demo

test: $(VENV)/.dev ## Run all tests; installs RabbitMQ and PostgreSQL where it may
	@scripts/test $(BIN)/python

check: $(VENV)/.dev ## Format, lint, types, import contracts, drift of generated files
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m scripts.generate --check

format: $(VENV)/.dev ## Format and mend what can be mended
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

bench: $(VENV)/.dev ## Run the benchmarks: ratios against a peer or a floor in the same run
	@$(BIN)/python -m bench

kube: ## Build the parts of Kubernetes that the operator's tests run on (once, about 5 minutes)
	@scripts/kube

helm: ## Build Helm for the chart's tests where it is missing (once, about a minute)
	@scripts/helm

docs: $(VENV)/.dev ## Make the generated documents again
	@$(BIN)/python -m scripts.generate

lock: $(VENV)/.dev ## Make the lock files again, with hashes and without download addresses
	@scripts/lock

clean: ## Remove the virtual environment and all caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache

$(VENV)/.run: requirements/cli.txt requirements/build.txt pyproject.toml scripts/bootstrap
	@PYTHON=$(PYTHON) scripts/bootstrap $(VENV) requirements/cli.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/build.txt pyproject.toml scripts/bootstrap
	@PYTHON=$(PYTHON) scripts/bootstrap $(VENV) requirements/dev.txt
	@touch $@ $(VENV)/.run
