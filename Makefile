# Set up, run and check Hälsovalvet. `make demo` and `make test` need Python 3.11 and make, nothing else.
#
#   make demo          set up and serve a made-up small country on http://127.0.0.1:8080 (VALV_PORT, VALV_DATA)
#   make serve         set up and serve the vault that VALV_DATA names
#   make test          set up for development and run every test
#   make check         what CI runs: ruff, mypy, import-linter, pytest
#   make bench         measure beside limits: a table, and build/bench.json (BENCH=--help: parts and sizes)
#   make soak          what takes long: kills, random steps, memory (SOAK=--help: parts and sizes)
#   make assets        build the pages' styles, scripts and fonts only
#   make requirements  pin anew what pyproject.toml asks for, with hashes
#   make clean         remove what set-up made, but no data

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
V := .venv
R := app/requirements
# What is pinned is all there is to install, so pip looks for nothing beside it: asked for `coverage[toml]` it would take the
# newest, and then miss its hash.
PIP := $(V)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps
# A file's tests stay together: they share servers. One file more at once than there are cores, since many tests wait; in the
# folder's order, since the long ones, which stand among the first, must not come last.
PYTEST := $(V)/bin/python -m pytest -q -rs -n $(shell expr $$(nproc) + 1) --dist loadfile --no-loadscope-reorder
SET_UP := Makefile pyproject.toml $(R)/build.txt $(R)/run.txt

.DEFAULT_GOAL := demo
.PHONY: demo serve test check bench soak assets venv dev browser postgres rabbitmq pdftools requirements clean

demo: assets
	@exec $(V)/bin/valv demo

serve: assets
	@exec $(V)/bin/valv serve

test: dev assets browser postgres rabbitmq pdftools
	@$(PYTEST)

check: dev assets browser postgres rabbitmq pdftools
	$(V)/bin/ruff check
	$(V)/bin/ruff format --check
	$(V)/bin/mypy
	$(V)/bin/lint-imports
	$(PYTEST)

bench: dev assets postgres
	@$(V)/bin/python -m tests.bench $(BENCH)

soak: dev assets postgres
	@$(V)/bin/python -m tests.soak $(SOAK)

assets: venv
	@$(V)/bin/python -m app.web.build

# A set-up that was finished is known by the checksums of what it was made from.
venv: $(V)/bin/python
	@sha256sum --status --check $(V)/run.sums 2>/dev/null || { set -e; \
	  echo "Installing what Hälsovalvet runs on"; \
	  $(PIP) --require-hashes -r $(R)/build.txt -r $(R)/run.txt; \
	  $(PIP) --no-build-isolation --editable .; \
	  sha256sum $(SET_UP) > $(V)/run.sums; }

dev: venv
	@sha256sum --status --check $(V)/dev.sums 2>/dev/null || { set -e; \
	  echo "Installing what the tests need"; \
	  $(PIP) --require-hashes -r $(R)/build.txt -r $(R)/dev.txt; \
	  sha256sum $(SET_UP) $(R)/dev.txt > $(V)/dev.sums; }

# Debian keeps ensurepip, without which no venv can be made, in a package of its own.
$(V)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed: set PYTHON=<path>." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { set -e; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing python3-venv"; \
	    apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv; \
	  else \
	    echo "Python's venv module is missing: install it (Debian: apt-get install python3-venv)." >&2; exit 1; \
	  fi; }
	@$(PYTHON) -m venv $(V) || { rm -rf $(V); exit 1; }

# What drives the browser is a Node that needs libatomic, which a minimal Debian lacks.
browser: venv
	@$(BROWSER_IS_HERE) || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium for the browser tests"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -qq -y --no-install-recommends chromium libatomic1 >/dev/null; \
	  fi; } || true
	@$(BROWSER_IS_HERE) || \
	  echo "No browser here: its tests are skipped (Debian: apt-get install chromium libatomic1)."

BROWSER_IS_HERE = $(V)/bin/python -c 'import sys; from tests.browser import MISSING; sys.exit(bool(MISSING))'

# Only its programs are wanted: the tests start a server of their own, and the one that Debian starts is ended.
postgres: venv
	@$(POSTGRES_IS_HERE) || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing PostgreSQL 15 for the tests of both engines"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -qq -y --no-install-recommends postgresql-15 >/dev/null; \
	    ! command -v systemctl >/dev/null || systemctl disable --quiet --now postgresql; \
	  fi; } || true
	@$(POSTGRES_IS_HERE) || \
	  echo "No PostgreSQL 15 here: its tests are skipped (Debian: apt-get install postgresql-15)."

POSTGRES_IS_HERE = $(V)/bin/python -c 'import sys; from tests.postgres import MISSING; sys.exit(bool(MISSING))'

# Only its programs are wanted: the tests start a node of their own, and the one that Debian starts is ended.
rabbitmq: venv
	@$(RABBITMQ_IS_HERE) || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing RabbitMQ for the tests of jobs"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -qq -y --no-install-recommends rabbitmq-server >/dev/null; \
	    ! command -v systemctl >/dev/null || systemctl disable --quiet --now rabbitmq-server; \
	  fi; } || true
	@$(RABBITMQ_IS_HERE) || \
	  echo "No RabbitMQ here: its tests are skipped (Debian: apt-get install rabbitmq-server)."

RABBITMQ_IS_HERE = $(V)/bin/python -c 'import sys; from tests.rabbitmq import MISSING; sys.exit(bool(MISSING))'

# Other people's programs, which judge the files that are made here.
pdftools: venv
	@$(PDFTOOLS_ARE_HERE) || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing poppler and qpdf for the tests of PDF files"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -qq -y --no-install-recommends poppler-utils qpdf >/dev/null; \
	  fi; } || true
	@$(PDFTOOLS_ARE_HERE) || \
	  echo "No poppler or qpdf here: their tests are skipped (Debian: apt-get install poppler-utils qpdf)."

PDFTOOLS_ARE_HERE = $(V)/bin/python -c 'import sys; from tests.pdftools import MISSING; sys.exit(bool(MISSING))'

# A local pip configuration must not add its own copies' hashes.
COMPILE = env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null $(V)/bin/pip-compile --quiet \
  --no-config --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(UPGRADE)

requirements: dev
	$(COMPILE) -o $(R)/build.txt $(R)/build.in
	$(COMPILE) -o $(R)/node.txt $(R)/node.in
	$(COMPILE) -o $(R)/run.txt -c $(R)/build.txt pyproject.toml
	$(COMPILE) --extra dev -o $(R)/dev.txt -c $(R)/run.txt -c $(R)/build.txt pyproject.toml

clean:
	rm -rf $(V) app/web/built app/web/assets/node_modules build *.egg-info
