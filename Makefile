# `make run` and `make test` need Python 3.11 or later, Node 20.19 or later, and nothing else.
# Each step runs again only when what it was made from has changed.

VENV := .venv
PY := $(VENV)/bin/python
# The first of these that is new enough; `make PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
NPM := cd web-demo && npm --loglevel=error
# As Vite says in its package.json.
NODE_IS_NEW_ENOUGH := const [a, b] = process.versions.node.split(".").map(Number); \
	process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)

PAGE := server/usechat_server/page/index.html
PAGE_SOURCES := $(shell find web-demo -name node_modules -prune -o -name nextjs -prune -o -type f -print)

.PHONY: help run page test check bench clean

help:
	@echo "make run     serve the chat page on http://127.0.0.1:8000 (USECHAT_PORT=9000 make run)"
	@echo "make test    run every test (ARGS='-k name' passes arguments to pytest)"
	@echo "make check   formatting, lint and types"
	@echo "make bench   measure this server beside others"
	@echo "make clean   remove what these commands made"

run: $(VENV)/.installed $(PAGE)
	@exec $(VENV)/bin/usechat-server serve

page: $(PAGE)

test: $(VENV)/.installed-test $(PAGE)
	@$(PY) tests/harness/node.py
	@$(PY) -m pytest $(ARGS)

check: $(VENV)/.installed-check $(VENV)/.installed-test web-demo/node_modules/.installed
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -m mypy --explicit-package-bases tests
	@$(NPM) run --silent check
	@echo "All checks passed."

bench: $(VENV)/.installed
	@$(PY) bench/run.py $(ARGS)

clean:
	rm -rf $(VENV) web-demo/node_modules tests/clients/node_modules server/usechat_server/page \
		tests/output bench/results bench/.venv bench/servers/aisdk/node_modules web-demo/nextjs/node_modules web-demo/nextjs/.next .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: none found on the PATH." \
		"Name one with: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Making a virtual environment with $$("$(PYTHON)" --version) ..."
	@"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	@echo "Installing the server ..."
	@$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "Installing what the tests use ..."
	@$(PIP) -e '.[test]'
	@touch $@

$(VENV)/.installed-check: $(VENV)/.installed
	@echo "Installing the checkers ..."
	@$(PIP) -e '.[check]'
	@touch $@

web-demo/node_modules/.installed: web-demo/package-lock.json web-demo/package.json
	@node -e '$(NODE_IS_NEW_ENOUGH)' 2>/dev/null || { \
		echo "Node 20.19 or later (of 22: 22.12 or later) is needed to build the page;" \
		"found: $$(node --version 2>/dev/null || echo none)." >&2; exit 1; }
	@echo "Installing what the page is built from ..."
	@$(NPM) ci >/dev/null
	@touch $@

$(PAGE): web-demo/node_modules/.installed $(PAGE_SOURCES)
	@echo "Building the page ..."
	@$(NPM) run --silent build
