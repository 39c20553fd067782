# Everything from here: `make run` shows the engine trade, `make test` tests it. Each target makes its own .venv first; nothing is
# built twice. Needs Python 3.11 or newer, a C compiler and make on x86-64 Linux.
#
#   make run SECONDS=30          the demo: simulated venue, daemon, strategy, report
#   make test ARGS="-k ring"     the tests (JOBS=1: one process for all)
#   make invariants              what the last `make test` tried for each invariant, and what failed
#   make check                   style, types, imports, .pyi files against the compiled modules, the wheel from the sdist
#   make bench RECORD=0          the benchmarks, one table at the end; appended to bench/history.ndjson unless RECORD=0
#   make mutants ARGS="name"     guards taken away one by one: the tests must notice     make sim [LONG=1]   the hunt for faults
#   make sanitize                tests and the full fuzz on a build with address and undefined-behaviour checks (under an hour)
#   make coverage                which Python lines the tests reach
#   make install PREFIX=/opt/tradewind [DESTDIR=...]    the build into a prefix, with units and examples     make uninstall PREFIX=...
#   make dist                    sdist, then a wheel from it, proved in an environment of its own
#   make docs                    write the generated tables again
#   make lock                    pin the dependencies again     make clean     remove all that was built
#   make clients                 ccxt and python-binance in .venv-clients, for the tests that let them trade (make test does it too)

SHELL := /bin/sh
.DEFAULT_GOAL := run
.DELETE_ON_ERROR:
.PHONY: run test invariants check bench mutants sim sanitize coverage install uninstall dist docs lock clients clean

PYTHON ?=
SECONDS ?= 60
ARGS ?=
JOBS ?= 2
RECORD ?= 1
# a system's own places for the default prefix; below the prefix for any other
PREFIX ?= /opt/tradewind
CONFIG_DIR ?= $(if $(filter /opt/tradewind /usr /usr/local,$(PREFIX)),/etc/tradewind,$(PREFIX)/etc/tradewind)
UNIT_DIR ?= $(if $(filter /opt/tradewind /usr /usr/local,$(PREFIX)),/etc/systemd/system,$(PREFIX)/lib/systemd/system)
DESTDIR ?=
PLACES = --prefix "$(PREFIX)" --config-dir "$(CONFIG_DIR)" --unit-dir "$(UNIT_DIR)" --destdir "$(DESTDIR)"
VENV := .venv
BIN := $(VENV)/bin
CLIENTS := .venv-clients
CLIENTS_LOCK := tests/contract/clients/requirements.lock
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

COMPILED := $(shell find ext -name '*.pyx')
SOURCES := $(shell find ext -name '*.p[yx][xdi]' -o -name '*.[ch]')
PACKAGE := $(shell find engine -name '*.py' -o -name '*.pyi' -o -name 'py.typed')
STUBBED := $(foreach s,$(COMPILED),$(if $(wildcard $(patsubst ext/%.pyx,%.pyi,$(s))),$(subst /,.,$(patsubst ext/%.pyx,%,$(s)))))

run: $(VENV)/.built
	$(BIN)/tradewind demo --seconds $(SECONDS) $(ARGS)

# Without the other clients (no network, say) their tests skip and say so; `make clients` alone tells what went wrong.
test: $(VENV)/.built
	@$(MAKE) --no-print-directory clients || echo "tradewind: no .venv-clients: the tests of ccxt and python-binance will skip" >&2
	@BIN=$(BIN) JOBS=$(JOBS) sh .ci/tests $(ARGS)

invariants: $(VENV)/.installed
	@$(BIN)/python -m tests.invariant_report build/invariants.jsonl

check: $(VENV)/.built
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy engine tests $(wildcard bench/*.py)
	$(BIN)/python -m mypy.stubtest --concise --mypy-config-file pyproject.toml --allowlist tests/style/stubtest.txt \
	    --ignore-unused-allowlist --ignore-missing-stub --ignore-disjoint-bases $(STUBBED)
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/style
	@$(MAKE) --no-print-directory dist

clients: $(CLIENTS)/.installed

bench: $(VENV)/.built
	$(BIN)/python bench/all.py $(if $(filter-out 0,$(RECORD)),--record) $(ARGS)

# Each patch takes one guard away in a copy of the tree (build/mutants); the tests it names must fail then.
mutants: $(VENV)/.built
	$(BIN)/python -m tests.mutants.run --jobs $(if $(filter-out 0,$(JOBS)),$(JOBS),2) $(ARGS)

# `make sim`: the hunt over some seeds; LONG=1: over hundreds, and the long amounts of every property and fault test.
sim: $(VENV)/.built
ifdef LONG
	rm -f build/invariants-long.jsonl
	TRADEWIND_AMOUNT=long TRADEWIND_INVARIANTS=build/invariants-long.jsonl TRADEWIND_INVARIANTS_TOLD=1 $(BIN)/python -m pytest -n 2 --dist loadscope --timeout 0 tests/property tests/sim tests/fault $(ARGS)
else
	mkdir -p build && $(BIN)/tradewind sim --seeds 1..20 --hours 0.25 --jobs $(if $(filter-out 0,$(JOBS)),$(JOBS),2) --save build $(ARGS)
endif

# A copy of the tree, so that the ordinary build stays as it is. The runtimes are preloaded: the interpreter is not instrumented.
# TRADEWIND_FUZZ=full: a million mutants through each codec; the engine's fuzz takes its ten million operations by TRADEWIND_AMOUNT.
# Deadlines of tests are longer there; tests of whole processes (tests/contract, tests/fault) are not run. Reports go to file
# descriptor 2, which pytest must not catch.
SANITIZE := build/sanitize
SANITIZED = PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0:halt_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" TRADEWIND_FUZZ=full \
	TRADEWIND_DATA="$${TRADEWIND_DATA:-$(abspath $(CURDIR)/../shared/data)}"
SANITIZED_PYTEST := -q -p no:cacheprovider -p no:faulthandler --capture=sys
SANITIZED_FUZZ := tests/property/test_matching_survives_any_bytes.py
sanitize: $(VENV)/.built
	mkdir -p $(SANITIZE)
	tar -cf - --exclude='*.so' --exclude=__pycache__ engine ext tests config setup.py pyproject.toml README.md LICENSE \
	    docs MANIFEST.in 2>/dev/null | tar -xf - -C $(SANITIZE)
	cd $(SANITIZE) && TRADEWIND_CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize=alignment -fno-omit-frame-pointer" \
	    $(CURDIR)/$(BIN)/python setup.py -q build_ext --inplace
	cd $(SANITIZE) && $(SANITIZED) $(CURDIR)/$(BIN)/python -m pytest $(SANITIZED_PYTEST) --timeout 1800 \
	    $(wildcard tests/unit tests/reference tests/property) $(ARGS)
	cd $(SANITIZE) && test ! -f $(SANITIZED_FUZZ) || $(SANITIZED) TRADEWIND_AMOUNT=long $(CURDIR)/$(BIN)/python -m pytest \
	    $(SANITIZED_PYTEST) --timeout 3000 $(SANITIZED_FUZZ)

coverage: $(VENV)/.built
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage report

install: $(VENV)/.built
	@$(BIN)/python systemd/install.py install $(PLACES) $(ARGS)

uninstall:
	@$(if $(wildcard $(BIN)/python),$(BIN)/python,$$(sh .ci/preflight $(PYTHON))) systemd/install.py uninstall $(PLACES)

dist: dist/.proved

dist/.proved: $(VENV)/.built $(PACKAGE) tests/style/installed.py
	rm -rf dist build/fresh
	$(BIN)/python -m build --no-isolation --outdir dist . >build/dist.log 2>&1 || { tail -n 30 build/dist.log; exit 1; }
	$(BIN)/python -m venv build/fresh
	build/fresh/bin/python -m pip install -q --require-hashes --no-deps -r requirements.lock
	build/fresh/bin/python -m pip install -q --no-deps dist/*.whl
	cd build/fresh && bin/python -I $(CURDIR)/tests/style/installed.py
	rm -rf build/fresh
	@touch $@

docs: $(VENV)/.built
	$(BIN)/python -m tests.style.invariants
	$(BIN)/python -m tests.style.reasons

lock: $(VENV)/.installed
	$(BIN)/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-annotate --no-header \
	    --strip-extras --allow-unsafe --extra dev --extra numba --extra sql --extra postgres --output-file requirements.lock \
	    pyproject.toml
	$(BIN)/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-annotate --no-header \
	    --strip-extras --allow-unsafe --output-file $(CLIENTS_LOCK) $(CLIENTS_LOCK:.lock=.in)

clean:
	rm -rf $(VENV) $(CLIENTS) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache .coverage
	find engine -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up, each step once ---------------------------------------------------------------------------------------------------

$(VENV)/.installed: requirements.lock
	@python=$$(sh .ci/preflight $(PYTHON)) && echo "tradewind: making $(VENV) with $$python" && $$python -m venv --clear $(VENV)
	$(BIN)/python -m pip install -q --require-hashes --no-deps -r requirements.lock
	@touch $@

$(CLIENTS)/.installed: $(CLIENTS_LOCK)
	@python=$$(sh .ci/preflight $(PYTHON)) && $$python -m venv --clear $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install -q --require-hashes --no-deps -r $(CLIENTS_LOCK)
	@touch $@

# Metadata and the `tradewind` command, pointing here; compiling is the next step's, which compiles only what changed.
$(VENV)/.editable: $(VENV)/.installed setup.py pyproject.toml
	@mkdir -p build
	TRADEWIND_SKIP_COMPILE=1 $(BIN)/python -m pip install -q --no-build-isolation --no-deps -e . >build/install.log 2>&1 \
	    || { tail -n 40 build/install.log; echo "tradewind: not installed; all it said: build/install.log" >&2; exit 1; }
	@touch $@

$(VENV)/.built: $(VENV)/.editable $(SOURCES)
	@echo "tradewind: compiling what changed of $(words $(COMPILED)) modules (all of them take minutes; told in build/compile.log)"
	$(BIN)/python setup.py -q build_ext --inplace >build/compile.log 2>&1 \
	    || { grep -n -i -A 12 error build/compile.log | head -n 60; echo "tradewind: not compiled; all it said: build/compile.log" >&2; exit 1; }
	@touch $@
