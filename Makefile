# Butaca: `make run` and `make test` do all the set-up by themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links

AUDIT := $(BIN)/pip-audit --progress-spinner off --timeout 5 --disable-pip --require-hashes \
	-r requirements/runtime.txt

.DEFAULT_GOAL := help
.PHONY: help install run test check format contract lock

help: ## Say what can be made.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-10s %s\n' "$$name" "$$text"; done

install: $(READY) ## Make .venv with the locked dependencies and `butaca`.

run: $(READY) ## Run everything on this machine: API, Redis, SQLite, a TMDB sandbox.
	@exec $(BIN)/butaca dev $(ARGS)

test: $(READY) ## Run all tests, with coverage, against a real Redis and a real PostgreSQL.
	$(BIN)/pytest -n auto --cov --cov-report=term-missing:skip-covered $(ARGS)

check: $(READY) ## Check format, lint, types, import contracts, the API contract, dependencies.
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/butaca openapi | diff - openapi.yaml \
		|| { echo 'openapi.yaml is not what the code says; mend it: make contract'; exit 1; }
	@! grep -nE '(https?|file)://' requirements/*.txt \
		|| { echo 'a lock file carries an address'; exit 1; }
	@$(AUDIT) > $(VENV)/audit.log 2>&1 && ! grep -q 'could not be audited' $(VENV)/audit.log \
		&& echo 'No dependency has a known vulnerability.' \
		|| { ! grep 'known vulnerabilit.* in' $(VENV)/audit.log \
			&& echo 'Dependencies NOT audited: this package index tells nothing of vulnerabilities.'; }

format: $(READY) ## Format the code and mend what the linter can.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

contract: $(READY) ## Write openapi.yaml anew, from the code.
	$(BIN)/butaca openapi > openapi.yaml

lock: $(READY) ## Lock the newest versions that pyproject.toml allows, with hashes.
	$(COMPILE) --upgrade pyproject.toml -o requirements/runtime.txt
	$(COMPILE) --upgrade --extra dev pyproject.toml -o requirements/dev.txt -c requirements/runtime.txt

$(READY): $(VENV)/.dependencies pyproject.toml
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --no-index -e . > $(VENV)/install.log 2>&1 \
		|| { echo 'Butaca could not be installed. See $(VENV)/install.log'; exit 1; }
	@touch $@

$(VENV)/.dependencies: requirements/dev.txt
	@command -v $(PYTHON) > /dev/null \
		|| { echo 'Butaca needs Python 3.11 or newer, and there is no $(PYTHON).'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Butaca needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Choose another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) \
		|| { echo '$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv'; exit 1; }
	@echo 'Installing the locked dependencies into $(VENV): half a minute or so, 450 MB …'
	@$(BIN)/pip install --quiet --retries 2 --require-hashes -r requirements/dev.txt > $(VENV)/install.log 2>&1 \
		|| { echo 'The dependencies could not be installed. Is the package index reachable? See $(VENV)/install.log'; exit 1; }
	@touch $@
