# Everything from a bare machine: Python 3.11 or newer, git and make are enough. Each target sets up
# what it needs in .venv, once, and again only when what it installs has changed.
#
#   make demo         a real program: line by line and overlapped, side by side; killed, and taken up; in bounds
#   make test         everything that has to hold (under 15 minutes on two cores)
#   make test-fast    the same with fewer generated programs (under 2 minutes)
#   make fuzz N=...   generated programs: overlapped run against reference run
#   make fuzz-grammar N=...  programs over the whole grammar: as CPython, or refused
#   make cpython      CPython's own tests of the language, run as flows: how many are compiled, which differ
#   make test-compiled  the engine as machine code, on uvloop: the same outcomes (needs a C compiler)
#   make bench        against hand-written asyncio, in one run, with the target beside each number; the
#                     engine as machine code where there is a C compiler (make bench CC= for the plain one; with
#                     LOOP=uvloop in the environment all of it on uvloop)
#   make bench-peers  the same work in other libraries, also recorded, killed and resumed
#   make lint         ruff, mypy, pyright
#   make docs         every example in the docs runs
#   make format       let ruff lay the code out
#   make clean        forget all that was installed and built here

SHELL := /bin/bash
N ?= 100000
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
COMPILED := .venv-compiled
PIP_INSTALL = -m pip install -qq --disable-pip-version-check
SAY = @printf '\033[2m==> %s\033[0m\n'
ifeq ($(shell test -t 1 && test -z "$$NO_COLOR" && echo yes),)
SAY = @printf '==> %s\n'
endif

# A name on the PATH may be a shim of a version manager that fails, or a Python without venv: try it.
WORKS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	if "$$python" -c '$(WORKS)' >/dev/null 2>&1; then echo "$$python"; break; fi; done)
endif

EXAMPLES := $(wildcard examples/requirements.txt)
EXAMPLES_NODEPS := $(wildcard examples/requirements-nodeps.txt)

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-compiled fuzz fuzz-grammar cpython bench bench-peers lint format docs clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.stamp-examples
	@$(BIN)/python -m examples.demo

# Tests begin hundreds of processes. Where PYTHONDONTWRITEBYTECODE is set each would compile the sources again.
BYTECODE = @$(BIN)/python -m compileall -q src tests

# Most of what is not differential waits for processes, disks and servers: three at a time keep two cores busy.
test: lint $(VENV)/.stamp-dev $(VENV)/.stamp-examples
	$(BYTECODE)
	$(SAY) "tests: all but the differential ones"
	@$(BIN)/python -m pytest -n 3 --dist loadgroup --ignore tests/differential $(PYTEST_ARGS)
	$(SAY) "tests: reference run against overlapped run, in processes of their own"
	@$(BIN)/python -m pytest -n 2 --dist loadgroup tests/differential $(PYTEST_ARGS)

test-fast: $(VENV)/.stamp-dev $(VENV)/.stamp-examples
	$(BYTECODE)
	$(SAY) "tests: fewer generated programs, no language model"
	@STRETTO_FUZZ=$${STRETTO_FUZZ:-100} $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not model and not slow" $(PYTEST_ARGS)

fuzz: $(VENV)/.stamp-dev
	@$(BIN)/python -m tests.differential.fuzz --n $(N)

fuzz-grammar: $(VENV)/.stamp-dev
	@$(BIN)/python -m tests.differential.grammar --n $(N)

cpython: $(VENV)/.stamp-dev
	@$(BIN)/python -m tests.cpython

# What is installed in $(COMPILED) is a copy: the sources stay without machine code beside them.
test-compiled: $(COMPILED)/.stamp
	$(SAY) "tests: the engine as machine code"
	@STRETTO_MACHINE_CODE=1 STRETTO_FUZZ=$${STRETTO_FUZZ:-500} $(COMPILED)/bin/python -m pytest -n 2 --dist loadgroup -m "not slow" \
		tests/differential $(PYTEST_ARGS)

ifneq ($(shell command -v $(CC)),)
bench: $(COMPILED)/.stamp
	@$(COMPILED)/bin/python -m benchmarks --json bench.json
else
bench: $(VENV)/.stamp-dev
	@$(BIN)/python -m benchmarks --json bench.json
endif

bench-peers: $(PEERS)/.stamp
	@$(PEERS)/bin/python -m benchmarks.peers

lint: $(VENV)/.stamp-dev
	$(SAY) "ruff"
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet .
	$(SAY) "mypy --strict"
	@$(BIN)/mypy --no-error-summary
	$(SAY) "pyright, strict"
	@$(BIN)/pyright --warnings --pythonpath $(BIN)/python

format: $(VENV)/.stamp-dev
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format .

docs: $(VENV)/.stamp-dev
	$(SAY) "the examples in the docs"
	@$(BIN)/python -m pytest tests/docs $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) $(PEERS) $(COMPILED) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist bench.json
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

define NO_PYTHON

No working Python 3.11 or newer was found (tried python3.13, python3.12, python3.11, python3, python;
each must start, and have the modules venv and ensurepip). Install one, or name yours:

    make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)

endef

# A virtual environment is made anew when the interpreter behind it has gone.
define new_venv
	$(if $(PYTHON),,$(error $(NO_PYTHON)))
	@"$(PYTHON)" -c '$(WORKS)' || { echo "$(PYTHON) is not a working Python 3.11 or newer with venv" >&2; exit 1; }
	$(SAY) "making $(1) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv --clear $(1)
endef

$(BIN)/python:
	$(call new_venv,$(VENV))

$(VENV)/.stamp-dev: pyproject.toml | $(BIN)/python
	$(SAY) "installing Stretto and the tools to work on it (a minute, once)"
	@$(BIN)/python $(PIP_INSTALL) --editable '.[dev]'
	@touch $@

$(VENV)/.stamp-examples: $(EXAMPLES) $(EXAMPLES_NODEPS) $(VENV)/.stamp-dev
ifneq ($(EXAMPLES),)
	$(SAY) "installing what the examples use"
	@$(BIN)/python $(PIP_INSTALL) --requirement $(EXAMPLES)
endif
ifneq ($(EXAMPLES_NODEPS),)
	@$(BIN)/python $(PIP_INSTALL) --no-deps --requirement $(EXAMPLES_NODEPS)
endif
	@touch $@

$(PEERS)/bin/python:
	$(call new_venv,$(PEERS))

$(PEERS)/.stamp: benchmarks/peers/requirements.txt pyproject.toml | $(PEERS)/bin/python
	$(SAY) "installing the peers (a minute, once)"
	@$(PEERS)/bin/python $(PIP_INSTALL) --editable . --requirement benchmarks/peers/requirements.txt
	@touch $@

$(COMPILED)/bin/python:
	$(call new_venv,$(COMPILED))

$(COMPILED)/.stamp: pyproject.toml $(shell find src -name '*.py') | $(COMPILED)/bin/python
	$(SAY) "installing Stretto with its engine as machine code (two minutes, again when a source has changed)"
	@command -v "$(CC)" >/dev/null || { echo "no C compiler: '$(CC)' is not there (make CC=/path/to/cc)" >&2; exit 1; }
	@rm -rf build/compiled && mkdir -p build/compiled
	@cp -R pyproject.toml README.md LICENSE src build/compiled/ && find build/compiled -name '*.so' -delete
	@CC="$(CC)" HATCH_BUILD_HOOK_ENABLE_MYPYC=1 $(COMPILED)/bin/python $(PIP_INSTALL) 'build/compiled/[dev,fast]'
	@touch $@
