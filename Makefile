# Every target starts from an empty clone: it makes what it needs, and Python 3.11 or newer is all that it needs.
# PYTHON=python3.12 chooses another; without it an existing .venv is kept.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
BENCH_VENV := .venv-bench
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

# Whatever the environment says: what starts hundreds of processes is not to compile all of their modules anew in each.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.NOTPARALLEL:

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{ printf "make %-17s %s\n", $$1, $$2 }'

.PHONY: demo
demo: $(VENV)/.runtime ## a thousand real jobs, from enqueue to result: make demo [DIR=folder] [JOBS=number]
	@$(BIN)/sqsjobs demo $(if $(DIR),--dir '$(DIR)') $(if $(JOBS),--jobs $(JOBS))

.PHONY: example-inference
example-inference: $(VENV)/.inference ## a page to send pictures to, with all behind it: make example-inference [PORT=8000]
	@cd examples && ../$(BIN)/python -m inference $(if $(PORT),--port '$(PORT)')

.PHONY: test
test: $(VENV)/.dev ## the tests: make test [ARGS='-k retry']
	$(BIN)/python -m pytest -n 4 --dist loadgroup $(ARGS)

.PHONY: simulate
simulate: $(VENV)/.dev ## faults by the thousand in virtual time: make simulate [SEEDS=number] [SEED=one, with its trace]
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000)) $(if $(FIRST),--first $(FIRST)) \
		$(if $(KIND),--kind $(KIND)) $(if $(CORES),--cores $(CORES)) $(if $(LEDGER),--ledger '$(LEDGER)')

.PHONY: chaos
chaos: $(VENV)/.dev ## real workers, real signals, a hostile SQS, for half an hour: make chaos [ARGS='--part kills --size 20' or --help]
	@$(BIN)/python -m tests.chaos $(if $(LEDGER),--ledger '$(LEDGER)') $(ARGS)

.PHONY: soak
soak: $(VENV)/.dev ## whether a worker grows under load and faults: make soak [MINUTES=10]
	@$(BIN)/python -m tests.chaos.soak --minutes $(or $(MINUTES),10) $(if $(LEDGER),--ledger '$(LEDGER)') $(ARGS)

.PHONY: seeded-bugs
seeded-bugs: $(VENV)/.dev ## whether the tests notice 35 bugs of others, put in one by one: make seeded-bugs [ARGS='--only 5' or --help]
	@$(BIN)/python -m tests.seeded_bugs $(if $(LEDGER),--ledger '$(LEDGER)') $(ARGS)

.PHONY: ledger
ledger: $(VENV)/.dev ## the long forms of five rigs, all but properties, and one ledger: make ledger [SEEDS=] [INPUTS=] [MINUTES=] [ARGS='--only soak' or --help]
	@$(BIN)/python -m tests.proof $(if $(SEEDS),--seeds $(SEEDS)) $(if $(INPUTS),--inputs $(INPUTS)) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

.PHONY: bench
bench: $(VENV)/.dev $(BENCH_VENV)/.own ## what a job costs, beside others: make bench [ROUNDS=5] [WORKLOADS=drain,latency [WRITE=yes]] [CONTESTANTS=sqsjobs,bare]
	$(BIN)/python -m benchmarks $(foreach it,ROUNDS WORKLOADS CONTESTANTS SCALE,$(if $($(it)),--$(call lower,$(it)) '$($(it))')) \
		$(if $(WRITE),--write,$(if $(WORKLOADS)$(CONTESTANTS)$(SCALE),,--write))

.PHONY: fuzz
fuzz: $(VENV)/.dev ## wrong messages by the million: make fuzz [INPUTS=number] [SEED=one, with what becomes of it]
	@$(BIN)/python -m tests.fuzz $(if $(SEED),--seed $(SEED)) $(if $(INPUTS),--inputs $(INPUTS)) $(if $(FIRST),--first $(FIRST)) \
		$(if $(TARGET),--target $(TARGET)) $(if $(BITS),--bits $(BITS)) $(if $(CORES),--cores $(CORES)) \
		$(if $(LEDGER),--ledger '$(LEDGER)')

.PHONY: bench-profile
bench-profile: $(VENV)/.dev $(BENCH_VENV)/.own ## where each microsecond of a job that does nothing goes
	$(BIN)/python -m benchmarks.profile_noop --write

.PHONY: bench-steps
bench-steps: $(VENV)/.dev ## where the time from enqueue to the start of a job goes
	$(BIN)/python -m benchmarks.steps --write

.PHONY: bench-stores
bench-stores: $(VENV)/.dev ## what a job store costs: make bench-stores [STORES='sqlite redis'] [JOBS=4000]
	$(BIN)/python -m benchmarks.stores $(STORES) $(if $(JOBS),--jobs '$(JOBS)') $(if $(STORES)$(JOBS),,--write)

.PHONY: bench-waiters
bench-waiters: $(VENV)/.dev ## what a thousand clients that wait cost: make bench-waiters [STORES='redis dynamodb'] [WAITERS='10 100 1000']
	$(BIN)/python -m benchmarks.waiters $(STORES) $(if $(WAITERS),--waiters $(WAITERS)) $(if $(STORES)$(WAITERS),,--write)

.PHONY: bench-wire
bench-wire: $(VENV)/.dev $(BENCH_VENV)/.bench ## what a call to SQS costs, by wire: make bench-wire [ROUNDS=5]
	$(BIN)/python -m benchmarks.wire $(if $(ROUNDS),--rounds '$(ROUNDS)') --write

.PHONY: properties
properties: $(VENV)/.dev ## what hypothesis tries, with many more examples: make properties [TIMES=number]
	SQSJOBS_TEST_TIMES=$(or $(TIMES),50) $(BIN)/python -m pytest -n 2 -m hypothesis --timeout 7200 $(ARGS)

.PHONY: check
check: $(VENV)/.dev ## style, types, floors and forbidden calls
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_type_completeness.py

.PHONY: format
format: $(VENV)/.dev ## bring the code into the house style
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

.PHONY: lock
lock: $(VENV)/tools/.ready ## choose the newest versions that fit pyproject.toml, for every platform, with their hashes
	$(COMPILE) --upgrade --group dev --output-file requirements/dev.txt
	$(COMPILE) --upgrade --group build --constraint requirements/dev.txt --output-file requirements/runtime.txt
	$(COMPILE) --upgrade --group build --group inference --constraint requirements/dev.txt \
		--output-file requirements/inference.txt
	$(COMPILE) --upgrade --all-extras --constraint requirements/dev.txt --output-file requirements/extras.txt
	$(COMPILE_ALONE) --upgrade --group bench --output-file requirements/bench.txt
	$(COMPILE_ALONE) --upgrade --group tools --output-file requirements/tools.txt

COMPILE_ALONE := $(VENV)/tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links
COMPILE := $(COMPILE_ALONE) pyproject.toml

.PHONY: audit
audit: $(VENV)/tools/.ready ## look up what is locked among known vulnerabilities, where they can be reached
	@$(BIN)/python requirements/audit.py $(VENV)/tools/bin/pip-audit $(sort $(wildcard requirements/*.txt))

.PHONY: sbom
sbom: $(VENV)/tools/.ready ## list what is installed beside sqsjobs and all its extras, with hashes: dist/sbom.json (CycloneDX)
	@mkdir -p dist
	@$(VENV)/tools/bin/cyclonedx-py requirements --output-reproducible --of JSON -o dist/sbom.json requirements/extras.txt
	@echo dist/sbom.json

.PHONY: dist
dist: $(VENV)/.dev ## the wheel, the same bytes from the same sources: dist/*.whl
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 315532800)} \
		$(BIN)/python -m hatchling build --target wheel
	@cd dist && sha256sum *.whl

$(VENV)/tools/.ready: requirements/tools.txt $(VENV)/pyvenv.cfg
	@$(BIN)/python -m venv --clear $(VENV)/tools
	@$(VENV)/tools/bin/python -m pip --quiet --disable-pip-version-check install --no-deps --require-hashes \
		--requirement requirements/tools.txt
	@touch $@

.PHONY: clean
clean: ## remove what was made here
	rm -rf $(VENV) $(BENCH_VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: installed is what is locked, and the project itself as it lies here.

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml $(VENV)/pyvenv.cfg
	$(call install,runtime)

$(VENV)/.inference: requirements/inference.txt pyproject.toml $(VENV)/pyvenv.cfg
	$(call install,inference)
	@touch $(VENV)/.runtime # of which this is a superset

$(VENV)/.dev: requirements/dev.txt pyproject.toml $(VENV)/pyvenv.cfg
	$(call install,dev)
	@touch $(VENV)/.runtime $(VENV)/.inference # of which this is a superset

$(BENCH_VENV)/.bench: requirements/bench.txt $(VENV)/pyvenv.cfg
	@echo "Installing whom sqsjobs is measured beside into $(BENCH_VENV); this takes a moment, once."
	@$(BIN)/python -m venv --clear $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip --quiet --disable-pip-version-check install --no-deps --require-hashes \
		--requirement requirements/bench.txt
	@touch $@

$(BENCH_VENV)/.own: requirements/runtime.txt pyproject.toml $(BENCH_VENV)/.bench
	@$(BIN)/python -m venv --clear $(BENCH_VENV)/own
	@sed -n '/^uvloop==/,/[^\\]$$/p' requirements/bench.txt >$(BENCH_VENV)/uvloop.txt
	@$(BENCH_VENV)/own/bin/python -m pip --quiet --disable-pip-version-check install --no-deps --require-hashes \
		--requirement requirements/runtime.txt --requirement $(BENCH_VENV)/uvloop.txt
	@$(BENCH_VENV)/own/bin/python -m pip --quiet --disable-pip-version-check install --no-deps --no-build-isolation --editable .
	@touch $@

define install
	@echo "Installing requirements/$(1).txt into $(VENV); this takes a moment, once."
	@$(PIP) install --no-compile --no-deps --require-hashes --requirement requirements/$(1).txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
endef

lower = $(shell echo '$(1)' | tr 'A-Z' 'a-z')

# Asked for another Python than the one it was made with, .venv is made anew.
ifdef PYTHON
version = $(shell { $(1) -c 'import sys; print(*sys.version_info[:2])'; } 2>/dev/null)
ifneq ($(call version,$(PYTHON)),$(call version,$(BIN)/python))
.PHONY: $(VENV)/pyvenv.cfg
endif
endif

$(VENV)/pyvenv.cfg:
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
		if $$python -c '$(NEW_ENOUGH)' 2>/dev/null; then exec $$python -m venv --clear $(VENV); fi; \
	done; \
	echo "sqsjobs needs Python 3.11 or newer, and $(or $(PYTHON),python3) is not: name one that is, as in" >&2; \
	echo "    make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; \
	exit 1
