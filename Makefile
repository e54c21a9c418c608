# The front door. What takes more than a line is a script in tools/, which says what it does.
#
#   make demo        count the words of Python's own sources in several interpreters
#   make test        the package on one interpreter and the C tests once
#   make test-all    the C matrix, the models, the mutants, every interpreter at hand
#   make test-c      the C tests: gcc and clang, plain, with ASan+UBSan, with TSan
#   make test-model  the Spin models: what they hold, and mutants they must catch; LONG=1: minutes more
#   make fuzz        SharedDict against dict, or with FUZZ=set or list the others against theirs,
#                    millions of random steps; ARGS="--seconds 600 --seed 7"
#   make bench       against the peers, in one run; ARGS: see benchmarks/README.md
#   make lint        what a machine can say about style and types; make format repairs it
#   make wheel       a wheel with liburcu in it, tried where no liburcu is
#   make core        the core as build/core/libsharedobj_core.a, no Python needed
#
# PYTHON=/path/to/python3 chooses the interpreter of .venv; ARGS="..." goes to the program that runs.

SHELL := /bin/bash
VENV  := .venv
RUN   := $(VENV)/bin/python
C_FILES = $(wildcard include/sharedobj/*.h shared/*.[ch] shared/platform/*.[ch] \
            python/bindings/*.[ch] tests/c/*.[ch] tests/c/*/*.[ch] benchmarks/c/*.[ch])

.PHONY: build demo test test-c test-mutants test-model test-all fuzz bench format lint lint-tools wheel core clean

build:
	@tools/setup-env $(VENV)

demo: build
	@$(RUN) -m sharedobj demo $(ARGS)

test: build
	@failed=0; \
	tools/test-c quick || failed=1; \
	tools/test-python "$$(tools/find-python --tag $(RUN))" $(VENV) -- $(ARGS) || failed=1; \
	exit $$failed

test-c:
	@tools/test-c all

test-mutants:
	@tests/c/mutants/run $(ARGS)

test-model:
	@tools/system-packages --model
	@tests/model/run $(if $(filter-out 0,$(LONG)),--long) $(ARGS)

test-all:
	@tools/test-all

fuzz: build
	@$(RUN) tests/fuzz/$(or $(FUZZ),dict)_fuzz.py $(ARGS)

bench: build
	@$(RUN) benchmarks/run.py $(ARGS)

core:
	@$(MAKE) -s --no-print-directory -f tools/c.mk core

wheel: build
	@tools/make-wheel $(VENV)

lint-tools: build
	@cmp -s tools/requirements/lint.txt $(VENV)/.lint-tools || { \
	    $(RUN) -m pip install -q --disable-pip-version-check -r tools/requirements/lint.txt && \
	    cp tools/requirements/lint.txt $(VENV)/.lint-tools; }

format: lint-tools
	$(VENV)/bin/clang-format -i $(C_FILES)
	$(VENV)/bin/ruff check -q --fix . || true
	$(VENV)/bin/ruff format -q .

lint: lint-tools
	@tools/system-packages --clang
	@tools/lint $(VENV) $(C_FILES)

clean:
	rm -rf build dist python/*.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
