# Everything lives in .venv; nothing outside this folder is touched. Stamps in .venv record what
# is installed, so that pip runs again only after a lock file or pyproject.toml has changed.

PYTHON ?= python3
PIPELINE ?= examples/langgraph_pipeline.py --pace 2
# Processes of the tests, which mostly wait: for servers, browsers, and time.
PROCESSES ?= 2

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.NOTPARALLEL:  # two pips must not write to one environment
.SUFFIXES:
.PHONY: help demo test test-web check check-k8s check-lock check-web bench bench-smoke bench-peers chaos \
	dashboards format golden image lock pictures sbom schemas screenshots web clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.demo  ## Start the broker with a live pipeline (PIPELINE=file.py for your own)
	@$(BIN)/progress-broker demo '$(PIPELINE)'

test: $(VENV)/.dev $(VENV)/.web  ## Run the tests (ARGS='-k cursor' narrows them, PROCESSES=0 is one process)
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile $(ARGS)

test-web: $(VENV)/.dev  ## Run the tests of the dashboard's pure modules, without a browser
	$(BIN)/node --test --no-warnings 'tests/web/*.test.js'

check: $(VENV)/.dev check-lock check-k8s check-web test-web  ## Check format, lint, imports, types, schemas, deploy/ and lock files
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/progress-broker schema --check
	$(BIN)/python tools/metrics_page.py --check
	$(BIN)/python -m tools.observability --check
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml

check-lock: $(VENV)/.dev
	$(BIN)/python -m pytest --quiet tests/test_packaging.py

check-k8s: $(VENV)/.dev  ## Render k8s/ and check it, without a cluster
	$(BIN)/yamllint --strict --config-file k8s/.yamllint k8s tools/k8s_check
	$(BIN)/python -m tools.k8s_check

check-web: $(VENV)/.web
	cd tools/web && $(NODE) npx --no-install tsc --project tsconfig.json
	cd tools/web && $(NODE) node build.mjs --check

chaos: $(VENV)/.dev  ## Kill, freeze and drain a cluster and its gateways for ten minutes (ARGS='--seed 7')
	$(BIN)/python -m tests.cluster $(ARGS)

bench: $(VENV)/.dev  ## Run every benchmark
	$(BIN)/python -m bench all

bench-smoke: $(VENV)/.dev  ## Run every benchmark briefly, to see that it still runs
	$(BIN)/python -m bench smoke

bench-peers:  ## Install what the fan-outs compare with (Debian, root)
	apt-get install -y --no-install-recommends nginx-light libnginx-mod-nchan

format: $(VENV)/.dev  ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix --exit-zero  # `make check` says what is left
	$(BIN)/ruff format

golden: $(VENV)/.dev  ## Write the golden files anew, on purpose (the tests fail as they write)
	-GOLDEN_WRITE=1 $(BIN)/python -m pytest --quiet tests/compat tests/unit/views -k golden
	git diff --stat -- tests/compat/golden

web: $(VENV)/.web  ## Build what the dashboard serves ready-made: its libraries, and embed.js
	cd tools/web && $(NODE) node build.mjs

schemas: $(VENV)/.dev  ## Regenerate schemas/ and docs/metrics.md from the code
	$(BIN)/progress-broker schema
	$(BIN)/python tools/metrics_page.py

# dev.txt holds everything and is compiled first; the others take their versions from it, so that
# one environment can hold them all.
lock: $(VENV)/.dev  ## Regenerate requirements/ from pyproject.toml (UPGRADE=1 takes new versions)
	$(COMPILE) pyproject.toml --all-extras --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra embedded -c requirements/dev.txt -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra embedded --extra langgraph -c requirements/dev.txt -o requirements/demo.txt
	$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/image.txt
	$(COMPILE) --group build -c requirements/dev.txt -o requirements/build.txt
	$(COMPILE) tools/go.in -o tools/go.txt

dashboards: $(VENV)/.dev  ## Write Grafana's dashboards and the rules of the objectives, also for Kubernetes
	$(BIN)/python -m tools.observability

pictures: $(VENV)/.dev  ## Draw docs/pictures/ over a real run (needs prometheus, 4 minutes)
	$(BIN)/python -m tools.pictures

screenshots: $(VENV)/.web  ## Take pictures of every page of the dashboard into docs/screenshots/
	$(BIN)/python -m tools.screenshots

sbom: $(VENV)/.dev  ## Write the image's bill of materials to build/sbom.json
	@mkdir -p build
	PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements requirements/image.txt --pyproject pyproject.toml \
		--mc-type application --output-reproducible --of JSON -o build/sbom.json

image:  ## Build the container image of the gateway (needs docker)
	docker build --file deploy/Dockerfile --tag progress-broker:local .

clean:  ## Remove .venv and every cache; the demo's data in .progress-broker/ stays
	rm -rf $(VENV) tools/web/node_modules build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "progress-broker needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: requirements/build.txt requirements/demo.txt pyproject.toml | $(VENV)/.created
	@echo "Installing what the demo needs into $(VENV), once ..."
	@$(INSTALL) --require-hashes -r requirements/build.txt -r requirements/demo.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/.created
	@echo "Installing the development tools into $(VENV), once ..."
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.demo $@  # dev.txt contains demo.txt and build.txt

$(VENV)/.web: tools/web/package-lock.json tools/web/package.json | $(VENV)/.dev
	@echo "Installing what the dashboard is checked with into tools/web, once ..."
	@cd tools/web && $(NODE) npm ci --silent
	@touch $@
