# Everything is installed into .venv of this checkout and one cache folder. `make help` lists the targets.
PYTHON ?= python3
PYTEST_FLAGS ?= --numprocesses auto --dist loadfile
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/greenlight

export UV_CACHE_DIR := $(CACHE)/uv
export PIP_CACHE_DIR := $(CACHE)/pip
export npm_config_cache := $(CACHE)/npm
export __SAM_CLI_APP_DIR := $(CACHE)/sam
export SAM_CLI_TELEMETRY := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_PYTHON_DOWNLOADS := never
# As in Lambda: numpy's threads would only wait for each other while the other processor is busy.
export OPENBLAS_NUM_THREADS := 1
# npm comes from PATH or, where there is none, from requirements/node.lock into .venv/bin.
export PATH := $(PATH):$(CURDIR)/.venv/bin

BIN := .venv/bin
STAMPS := .venv/.stamps
UV := $(BIN)/uv
say = @printf '\033[1;32m==>\033[0m %s\n' "$(1)"

.DEFAULT_GOAL := help
.PHONY: help setup setup-test demo test lint audit format stress fuzz explore bench simulate build weights lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMPS)/dev $(STAMPS)/stack weights ## Install the command line, the local stack and the weights

setup-test: setup $(STAMPS)/sam $(STAMPS)/asl

demo: setup ## Bring the local stack up, moderate two clips, play the clean one
	$(call say,Demo)
	@$(BIN)/greenlight demo

test: setup-test ## Lint, type-check and run every test
	@$(MAKE) --no-print-directory lint
	$(call say,Tests)
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

lint: $(STAMPS)/dev ## ruff, mypy, import contracts, bandit, licences
	$(call say,Lint)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir .venv/.import-linter
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive layers/moderation/moderation functions local
	$(BIN)/python -m tests.security.licences

audit: $(STAMPS)/dev ## Known vulnerabilities of all locked packages; needs PyPI itself (AUDIT=--if-reachable: no matter)
	$(call say,Audit)
	$(BIN)/python -m tests.security.audit $(AUDIT)

format: $(STAMPS)/dev ## Format the code and apply safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

stress: setup ## Many uploads at once, with accidents (N=1000; REAL=1 for the real models), write build/stress.json
	$(BIN)/python -m tests.stress.run $(if $(N),--number $(N)) $(if $(REAL),--real)

fuzz: $(STAMPS)/dev ## Break real files at random and moderate them (FUZZ_SECONDS=600 FUZZ_SEED=0)
	$(BIN)/python -m tests.hostile.fuzz

explore: $(STAMPS)/dev ## Search long for an order of events that breaks a rule (about an hour)
	$(BIN)/python -m pytest tests/property --hypothesis-profile=long --numprocesses 0

bench: setup ## Measure speed and memory, write build/bench.json
	$(BIN)/python -m tests.bench.run

simulate: $(STAMPS)/dev ## 10,000 uploads an hour on paper: limits and cost (SIMULATE="--rate 500 …" for yours)
	@$(BIN)/greenlight simulate $(SIMULATE)

build: setup $(STAMPS)/sam ## Build for AWS (ARCHITECTURE=x86_64 for the other one) and check the sizes
	.venv/sam/bin/sam build --parameter-overrides Architecture=$(or $(ARCHITECTURE),arm64)
	@$(BIN)/greenlight sizes

weights: $(STAMPS)/dev $(STAMPS)/npm
	@$(BIN)/greenlight weights build

$(STAMPS)/uv: requirements/uv.lock
	@$(PYTHON) -c 'import sys; sys.exit("Greenlight needs Python 3.11 or newer, this is " + sys.version.split()[0] + ". Say `make PYTHON=python3.13 …`.") if sys.version_info < (3, 11) else 0'
	$(call say,Creating .venv)
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --require-hashes -r requirements/uv.lock
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: $(STAMPS)/uv requirements/dev.lock pyproject.toml
	$(call say,Installing Greenlight and its tools)
	@$(UV) pip sync --python $(BIN)/python --require-hashes requirements/dev.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Environments of their own: ministack pins botocore, aws-sam-cli pins nearly everything.
$(STAMPS)/stack $(STAMPS)/sam: $(STAMPS)/%: requirements/%.lock | $(STAMPS)/dev
	$(call say,Installing .venv/$*)
	@$(UV) venv --quiet --allow-existing --python $(BIN)/python .venv/$*
	@$(UV) pip sync --python .venv/$* --require-hashes requirements/$*.lock
	@touch $@

$(STAMPS)/npm: requirements/node.lock $(STAMPS)/dev
	@command -v npm >/dev/null || $(UV) pip install --python $(BIN)/python --require-hashes -r requirements/node.lock
	@touch $@

$(STAMPS)/asl: tests/template/package.json tests/template/package-lock.json $(STAMPS)/npm
	$(call say,Installing the state machine validator)
	@npm ci --prefix tests/template --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header
lock: $(STAMPS)/uv ## Pin the newest versions allowed (hashes, no registry's address)
	$(LOCK) --upgrade requirements/dev.in -o requirements/dev.lock
	$(LOCK) --upgrade requirements/stack.in -o requirements/stack.lock
	$(LOCK) --upgrade requirements/sam.in -o requirements/sam.lock
	$(LOCK) --upgrade requirements/node.in -o requirements/node.lock
	$(LOCK) --constraint requirements/dev.lock requirements/uv.in -o requirements/uv.lock
	for folder in layers/moderation layers/inference layers/ffmpeg functions/playback; do \
		$(LOCK) --constraint requirements/dev.lock $$folder/requirements.in -o $$folder/requirements.txt || exit 1; \
	done

clean: ## Remove .venv and what was built (the cache folder stays)
	rm -rf .venv .aws-sam build tests/template/node_modules
