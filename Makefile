# Two commands do everything on a fresh machine: `make demo` and `make test`.
# The only thing needed beforehand is Python 3.11 or newer with its venv module.

PYTHON ?= python3
UV_VERSION := 0.13.9
# uv where the machine has it, else one of our own, in a virtual environment of its own.
UV := $(or $(shell command -v uv 2>/dev/null),.bootstrap/bin/uv)
RUN := $(UV) run --locked --no-sync
SYNCED := .venv/.synced

.PHONY: help demo test test-containers images-local simulation chaos fuzz-api bench-decisions bench-incidents bench-archive check format lint types imports lock-check dashboard lock-kafka clean

help: ## This list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(SYNCED) ## The main job on a real Kafka with real flights: the story of one rollback
	$(RUN) kedge demo $(DEMO_ARGS)

# Tests wait more than they compute: several processes share the cores, and one broker. By hand,
# `pytest tests/sdk` runs a part in one process.
TEST_PROCESSES ?= 4

test: $(SYNCED) ## All tests, against a real broker
	$(RUN) pytest -n $(TEST_PROCESSES) $(PYTEST_ARGS)

# Leaves out what has no image: `make test-containers WITHOUT=grafana`.
test-containers: $(SYNCED) ## docker-compose.yml, its image and the tests' own broker on a Docker engine
	docker build --file infra/images/Dockerfile --tag kedge:$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) .
	KEDGE_TEST_CONTAINERS=1 KEDGE_TEST_CONTAINERS_WITHOUT="$(WITHOUT)" \
		$(RUN) pytest tests/containers $(PYTEST_ARGS)

images-local: $(SYNCED) ## Stand-ins for the images of docker-compose.yml, where none can be pulled
	infra/images/local/build.sh

simulation: $(SYNCED) ## 10,000 schedules of faults for the loop and for the services, on a model of Kafka
	KEDGE_SIMULATION_SCHEDULES=$${KEDGE_SIMULATION_SCHEDULES:-10000} \
		$(RUN) pytest tests/simulation/test_simulation.py tests/simulation/test_pipeline.py \
		$(PYTEST_ARGS)

# The same seed is the same schedule: `make chaos KEDGE_CHAOS_SEED=7`.
export KEDGE_CHAOS_SEED ?= 1
KEDGE_CHAOS_FAULTS ?= 200

chaos: $(SYNCED) ## 200 faults while predictions flow: nothing lost, nothing twice
	KEDGE_CHAOS_FAULTS=$(KEDGE_CHAOS_FAULTS) $(RUN) pytest tests/chaos -s $(PYTEST_ARGS)

fuzz-api: $(SYNCED) ## Every operation of the HTTP API with 500 cases: no fault, nothing undocumented
	KEDGE_FUZZ_EXAMPLES=$${KEDGE_FUZZ_EXAMPLES:-500} $(RUN) pytest tests/web/test_fuzz.py $(PYTEST_ARGS)

# A run that was broken goes on where it was. Less of it: `BENCH_ARGS="--windows 10000 --runs 10"`.
bench-decisions: $(SYNCED) ## How good drift decisions are: false alarms, delays, costs, beside others
	$(UV) sync --locked --all-extras --group bench
	PYTHONPATH=tests $(RUN) python -m benchmarks.decisions \
		--markdown .benchmarks/decisions.md --plot .benchmarks/decisions.svg $(BENCH_ARGS)

# A run that was broken goes on where it was. Fewer: `BENCH_ARGS="--stories 50"`.
bench-incidents: $(SYNCED) ## Whose fault incidents are and what is done: 500 of them, through the real code
	PYTHONPATH=tests $(RUN) python -m benchmarks.incidents \
		--markdown .benchmarks/incidents.md $(BENCH_ARGS)

# What takes long is asked for: `BENCH_ARGS="--rows 1000000"`, and for the late join
# `JOIN_ARGS="--predictions 100000000 --outcomes 10000000"`, which takes 8 GB of disk.
bench-archive: $(SYNCED) ## The archive beside plain DuckDB, and the late join of outcomes
	PYTHONPATH=tests $(RUN) python -m benchmarks.archive.paired $(BENCH_ARGS)
	PYTHONPATH=tests $(RUN) python -m benchmarks.archive.join $(JOIN_ARGS)

check: lint types imports lock-check ## Format, lint, strict types and the dependency rule, lock file

lint: $(SYNCED) ## Format and lint, changing nothing
	$(RUN) ruff format --check .
	$(RUN) ruff check .

types: $(SYNCED) ## Strict types on services/
	$(RUN) mypy

imports: $(SYNCED) ## The dependency rule of the layers
	$(RUN) lint-imports

format: $(SYNCED) ## Format, and mend what lint can mend
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

lock-check: $(SYNCED) ## uv.lock fits pyproject.toml
	$(UV) lock --check

# Needs Node 20 or newer with npm; what it builds is committed, so that nothing else needs them.
dashboard: ## The dashboard anew, from its locked packages
	cd services/kedge/web/dashboard && npm ci --ignore-scripts && npm run check && npm run build

lock-kafka: $(SYNCED) ## Lock the broker's jars anew after a change of infra/kafka/pom.xml
	$(RUN) python -m kedge.broker.relock

clean: ## Remove the environment and every cache in this folder
	rm -rf .venv .bootstrap .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.bootstrap/bin/uv:
	$(PYTHON) -m venv .bootstrap
	.bootstrap/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# The interpreter is named, so that a machine with several uses the one asked for. Libraries are
# compiled once here, and not by each of the processes that the demo and the tests start at once.
$(SYNCED): pyproject.toml uv.lock | $(if $(findstring .bootstrap,$(UV)),.bootstrap/bin/uv)
	$(UV) sync --locked --all-extras --python $(PYTHON) --compile-bytecode
	@touch $@
