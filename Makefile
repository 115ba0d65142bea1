# `make run` and `make test` need Python 3.11 or later, Node 20.19 or later, and nothing else.
# Each step runs again only when its inputs have changed.

VENV := .venv
PY := $(VENV)/bin/python
# The first of these that is new enough. `make PYTHON=/path/to/python` uses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
EXTRAS := bedrock,mcp,metrics,openai,otel,postgres,redis
NPM := cd web-demo && npm --loglevel=error
# The range of Node versions that Vite supports.
# Source: `engines` in the package.json of vite
NODE_IS_NEW_ENOUGH := const [a, b] = process.versions.node.split(".").map(Number); \
	process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)

PAGE := server/usechat_server/page/index.html
PAGE_SOURCES := $(shell find web-demo -name node_modules -prune -o -name nextjs -prune -o -type f -print)


.PHONY: help run page test test-fast test-full faults soak repeat check bench conformance dist constraints clean

help:
	@echo "make run          serve the demo page on http://127.0.0.1:8000 (USECHAT_PORT=9000 make run)"
	@echo "make test         run every test (ARGS='-k name' passes arguments to pytest)"
	@echo "make test-fast    run the tests that need no browser, database or npm package (about a minute)"
	@echo "make test-full    run every test, then longer fault and property tests (SLICE=1/4)"
	@echo "make faults       run the fault test (TURNS=100 SEED=41 DATABASE=postgresql BUSY=1 WITHOUT=fencing)"
	@echo "make soak         run 2,000 turns of the fault test, in slices (TURNS=5000 SEED=1000)"
	@echo "make repeat       run the tests again and again, in slices (N=30)"
	@echo "make check        check formatting, lint, types and dependencies"
	@echo "make bench        compare this server with others"
	@echo "make conformance  run the conformance suite on this server and its peers"
	@echo "make dist         build the wheel and the source distribution, and check that the wheel works"
	@echo "make constraints  update the pinned dependencies in constraints.txt"
	@echo "make clean        remove everything that these commands created"

run: $(VENV)/.installed $(PAGE)
	@exec $(VENV)/bin/usechat-server serve

page: $(PAGE)

test: $(VENV)/.installed-test $(PAGE)
	@$(PY) tests/harness/node.py
	@$(PY) -m pytest $(ARGS)

test-fast: $(VENV)/.installed-test
	@$(PY) -m pytest -q --fast --numprocesses=2 $(ARGS)

test-full: $(VENV)/.installed-test $(PAGE)
	@$(PY) tests/harness/node.py
	@$(PY) tests/harness/slices.py full --part $(or $(SLICE),1/1)

faults: $(VENV)/.installed-test
	@$(PY) tests/harness/slices.py faults --turns $(or $(TURNS),100) --seed $(or $(SEED),1) \
		--database $(or $(DATABASE),sqlite) --without '$(WITHOUT)' $(if $(BUSY),--busy)

soak: $(VENV)/.installed-test
	@$(PY) tests/harness/slices.py soak --turns $(or $(TURNS),2000) --seed $(or $(SEED),1000)

repeat: $(VENV)/.installed-test $(PAGE)
	@$(PY) tests/harness/node.py
	@$(PY) tests/harness/slices.py repeat --repetitions $(or $(N),30)

check: $(VENV)/.installed-check $(VENV)/.installed-test web-demo/node_modules/.installed
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -m mypy --explicit-package-bases tests
	@$(PY) -m deptry server protocol
	@for package in usechat_server ui_message_stream; do \
		report=$$(PATH="$(abspath $(VENV)/bin):$$PATH" web-demo/node_modules/.bin/pyright \
			--verifytypes $$package --ignoreexternal) || { echo "$$report"; exit 1; }; done
	@$(NPM) run --silent check
	@echo "All checks passed."

bench: $(VENV)/.installed
	@$(PY) bench/run.py $(ARGS)

conformance: $(VENV)/.installed-test
	@$(PY) conformance/run.py

dist: $(VENV)/.installed-release $(PAGE)
	@rm -rf dist
	@$(PY) -m build --outdir dist .
	@$(PY) -m twine check --strict dist/*
	@$(PY) .ci/try_wheel.py dist

constraints: $(VENV)/.installed-release
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade \
		--generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make constraints" -o constraints.txt pyproject.toml

clean:
	rm -rf $(VENV) dist web-demo/node_modules tests/clients/node_modules \
		tests/server/providers/reference/node_modules server/usechat_server/page \
		tests/output bench/results bench/.venv bench/servers/aisdk/node_modules \
		conformance/peers/*/node_modules conformance/peers/*/.venv conformance/peers/*/server.log \
		web-demo/nextjs/node_modules web-demo/nextjs/.next \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is required: none found on the PATH." \
		"Name one with: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Creating a virtual environment with $$("$(PYTHON)" --version) ..."
	@"$(PYTHON)" -m venv $(VENV)
	@# Earlier releases of pip do not support dependency groups.
	@$(PIP) 'pip>=25.1'
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	@echo "Installing the server ..."
	@$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "Installing the test dependencies ..."
	@$(PIP) -e '.[$(EXTRAS)]' --group test
	@touch $@

$(VENV)/.installed-check: $(VENV)/.installed
	@echo "Installing the checkers ..."
	@$(PIP) --group check
	@touch $@

$(VENV)/.installed-release: $(VENV)/.made
	@echo "Installing the release tools ..."
	@$(PIP) --group release
	@touch $@

web-demo/node_modules/.installed: web-demo/package-lock.json web-demo/package.json
	@node -e '$(NODE_IS_NEW_ENOUGH)' 2>/dev/null || { \
		echo "Node 20.19 or later (of 22: 22.12 or later) is required to build the page;" \
		"found: $$(node --version 2>/dev/null || echo none)." >&2; exit 1; }
	@echo "Installing the demo page's dependencies ..."
	@$(NPM) ci >/dev/null
	@touch $@

$(PAGE): web-demo/node_modules/.installed $(PAGE_SOURCES)
	@echo "Building the demo page ..."
	@$(NPM) run --silent build
