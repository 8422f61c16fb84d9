# Everything a newcomer needs: `make run` and `make test` work on a bare Debian or Ubuntu machine.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help install run test check bench chaos clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

install: $(VENV)/.installed ## Make .venv with the command stagedoor in it, and bring the engines' Debian packages

run: install ## Start the server and print where to look
	@$(BIN)/stagedoor serve

test: $(VENV)/.tested ## Install what the tests need and run them all
	@deploy/test.sh $(ARGS)

check: $(VENV)/.tested ## Lint, types, import contracts, page scripts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@deploy/check-pages.sh

bench: $(VENV)/.tested ## Measure a server under every kind of load, beside a raw socket loop
	@$(BIN)/stagedoor bench $(ARGS)

chaos: $(VENV)/.tested ## The long forms of the fault tests
	@$(BIN)/python -m pytest -m chaos --timeout 1800 $(ARGS)

clean: ## Remove what make made here (not the data directory)
	rm -rf $(VENV) node_modules gateway/pages/modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.installed: pyproject.toml package.json deploy/install.sh deploy/modules.py
	@deploy/install.sh run
	@touch $@

$(VENV)/.tested: $(VENV)/.installed package.json
	@deploy/install.sh test
	@touch $@
