.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PARTS := sdk services/pairing services/relay services/host clients/mobile_sim

.PHONY: help
help: ## Show what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp carries everything that decides what is installed, so a pull that changes none of it installs nothing.
$(VENV)/.installed: requirements/dev.txt $(PARTS:%=%/pyproject.toml)
	$(PYTHON) -c 'import sys; sys.exit("Dispatch needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(PARTS:%=-e ./%)
	@touch $@

.PHONY: dev
dev: $(VENV)/.installed ## Install everything into .venv

.PHONY: gen
gen: dev ## Generate the Python stubs in sdk/dispatch/api from protos/
	$(BIN)/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
		--python_out=sdk --grpc_python_out=sdk --mypy_out=sdk --mypy_grpc_out=sdk $$(cd protos && find dispatch -name '*.proto' | sort)
