# Every target sets up what it needs in .venv; nothing has to be done first.
# Needed on the machine: GNU make and Python >= 3.11 (choose another with `make PYTHON=...`).

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The candidates are run, not only looked up: a version manager's shim may be found and not work.
# The search runs at most once, and only when an environment is made.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(eval PYTHON := $$(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$$$python" -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { echo "$$$$python"; break; }; done))$(PYTHON)

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input --quiet
STAMP := $(VENV)/.installed
ARGS ?=

# Releases younger than this are not taken into a lock: most poisoned ones are found in days.
COOLDOWN := 7 days
COMPILE := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	--exclude-newer "$(COOLDOWN)"

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(STAMP) ## run the whole loop once on this machine, with simulated evidence
	@$(PY) -m demo.run $(ARGS)

# What a mirror has dropped since may only be here: `make clean` leaves it.
.PHONY: inputs
inputs: $(STAMP) ## fetch the inputs of the image into .inputs, for the tests that build and boot it
	@$(PY) -m pipeline.image fetch --store .inputs $(ARGS)

.PHONY: test
test: $(STAMP) ## run all tests; narrow with ARGS="-k note -x"
	@$(PY) -m pytest $(ARGS)

# The vectors and the image are left out, so that the figure is the same where they cannot be.
.PHONY: coverage
coverage: $(STAMP) ## refuse an untested branch in the judge's formats, measurement and appraisal
	@CVM_AUDIT_VECTORS=/nonexistent CVM_AUDIT_NO_VECTORS=1 CVM_AUDIT_NO_IMAGE=1 \
		$(PY) -m pytest -q tests/verifier \
		--cov=verifier.tlog --cov=verifier.evidence --cov=verifier.measurement \
		--cov=verifier.appraisal --cov-branch --cov-fail-under=100 \
		--cov-report=term-missing:skip-covered $(ARGS)

.PHONY: fuzz
fuzz: $(STAMP) ## fuzz every parser of the judge for ten seconds; ARGS="--seconds 60 --jobs 2"
	@$(PY) -m tests.fuzz.fuzz_parsers $(ARGS)

.PHONY: lint
lint: $(STAMP) ## ruff (rules and format) and mypy
	@echo "==> ruff check"
	@$(PY) -m ruff check .
	@echo "==> ruff format --check"
	@$(PY) -m ruff format --check .
	@echo "==> mypy"
	@$(PY) -m mypy

.PHONY: bench
bench: $(STAMP) ## run benchmarks/*.py one after another
	@for file in benchmarks/*.py; do \
		test -e "$$file" || { echo "no benchmarks"; break; }; \
		echo "==> $$file"; PYTHONPATH=. $(PY) "$$file" $(ARGS) || exit 1; done

.PHONY: bench-log
bench-log: $(STAMP) ## how fast a running log takes entries, beside what the machine does bare
	@$(PY) -m benchmarks.log_load $(ARGS)

.PHONY: bench-reads
bench-reads: $(STAMP) ## how fast a running log is read, beside nginx if that is installed
	@$(PY) -m benchmarks.log_reads $(ARGS)

.PHONY: bench-boot
bench-boot: $(STAMP) ## how long the image takes to build, boot and answer, and its memory
	@$(PY) -m benchmarks.drive_boot $(ARGS)

.PHONY: bench-path
bench-path: $(STAMP) ## how fast the private path answers, beside plain HTTP, and its memory
	@$(PY) -m benchmarks.path_load $(ARGS)

.PHONY: relock
relock: $(STAMP) ## resolve pyproject.toml anew into requirements/*.lock
	@echo "==> installing the resolver"
	@$(PIP) install --only-binary :all: --require-hashes -r requirements/relock.lock
	@echo "==> resolving, releases of the last $(COOLDOWN) left out"
	@$(COMPILE) pyproject.toml --extra log --extra postgresql --extra sigstore --extra node --extra path -o requirements/runtime.lock >/dev/null
	@$(COMPILE) pyproject.toml --extra log --extra postgresql --extra sigstore --extra node --extra path --group dev --group build -o requirements/dev.lock >/dev/null
	@$(COMPILE) --group relock -o requirements/relock.lock >/dev/null
	@echo "==> requirements/*.lock written; run make lint test"

.PHONY: clean
clean: ## remove everything that a target has made, but for .inputs
	rm -rf $(VENV) build dist work-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf *.egg-info .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --clear: the environment is what the lock says, never that plus yesterday's.
# --only-binary, --no-build-isolation: no package's own set-up code runs, nothing unlocked comes.
$(STAMP): requirements/dev.lock pyproject.toml
	@$(if $(PYTHON),:,echo "Python >= 3.11 not found; install it or name one: make PYTHON=/path/to/python3" >&2; exit 1)
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' || { echo "$(PYTHON) is not Python >= 3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || $(INSTALL_VENV)
	@echo "==> making $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv --clear $(VENV)
	@echo "==> installing the locked dependencies"
	@$(PIP) install --only-binary :all: --require-hashes -r requirements/dev.lock
	@$(PIP) install --no-build-isolation --no-deps --no-index --editable .
	@touch $@

# Debian ships venv apart from Python. Root may be helped; anybody else is told what to do.
VENV_PACKAGE := import sys; print("python%d.%d-venv" % sys.version_info[:2])
INSTALL_VENV = { \
	package=$$("$(PYTHON)" -c '$(VENV_PACKAGE)'); \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "==> installing $$package"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq "$$package" >/dev/null; \
	else \
		echo "$(PYTHON) has no venv; install it first: apt-get install $$package" >&2; \
		exit 1; \
	fi; }
