# Everything from a fresh clone: needs python3 (3.11 or newer, with venv), make and a network that reaches PyPI.
# GNU make 3.81 (macOS) is enough. Choose another Python with PYTHON=..., another PyTorch with TORCH=..., e.g.
#   make setup TORCH="torch==2.13.0 --index-url https://..."

VENV      := .venv
BIN       := $(VENV)/bin
STAMP     := $(VENV)/.setup-done
TORCH     ?= $(shell grep '^torch==' constraints.txt)
PIP       := $(BIN)/python -m pip --disable-pip-version-check
# One thread per process: two OpenMP pools on busy cores fall to a tenth of the speed. And whatever the environment says,
# bytecode is kept: to rewrite every test's assertions and compile every module anew takes longer than many tests.
TEST_ENV  := OMP_NUM_THREADS=1 GOMP_SPINCOUNT=0 PYTHONDONTWRITEBYTECODE=
# Tests wait more than they work: three processes fit on two cores.
TEST_JOBS ?= 3
PYTEST     = $(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast faults lint format bench up docs clean

help: ## show this list
	@echo "Pickaxe: from raw texts to a small, served, watched model"
	@echo
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -e 's/:.*## /|/' | awk -F'|' '{ printf "  make %-11s %s\n", $$1, $$2 }'

setup: $(STAMP) ## create .venv with everything pinned in constraints.txt (about 3 minutes, once)

$(STAMP): pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" sh scripts/make-venv.sh $(VENV)
	@grep -v '^torch==' constraints.txt > $(VENV)/constraints.txt
	@echo "PyTorch first, then the other packages: a few minutes, mostly without a word"
	$(PIP) install --quiet -c $(VENV)/constraints.txt $(TORCH)
	$(PIP) install --quiet -c $(VENV)/constraints.txt -e '.[all,dev]'
	@$(PIP) check
	@touch $@
	@echo "ready. In a terminal of yours: source $(BIN)/activate, then pickaxe --help"

demo: $(STAMP) ## run the whole production line on real data (about 5 minutes)
	$(BIN)/pickaxe demo

test: $(STAMP) ## run every test
	$(TEST_ENV) $(PYTEST)

# These seldom wait: a third process would only import everything once more.
test-fast: TEST_JOBS = 2
test-fast: $(STAMP) ## run the tests that take less than a second each (under two minutes in all)
	$(TEST_ENV) $(PYTEST) -m "not slow"

faults: $(STAMP) ## kill server, workers, PostgreSQL and nodes a thousand times each (hours; FAULTS_KILLS=20 for minutes)
	$(TEST_ENV) FAULTS_KILLS=$${FAULTS_KILLS:-1000} $(BIN)/python -m pytest tests/faults tests/kernel/test_executor_ray.py -s --timeout=0

lint: $(STAMP) ## style, format, types, import law
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: $(STAMP) ## apply the formatter and the safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP) ## write docs/cli.md, docs/claims.md, docs/published-runs.md and the task reference from the code
	$(BIN)/python docs/write_cli_reference.py
	$(BIN)/python docs/write_task_reference.py
	$(BIN)/python docs/write_claims.py
	$(BIN)/python docs/write_published_runs.py

bench: $(STAMP) ## measure the bars; writes benchmarks/results/
	$(TEST_ENV) $(BIN)/python -m benchmarks

up: $(STAMP) ## serve the workspace made by the demo: console, API, endpoints, on this machine only
	$(BIN)/pickaxe -w demo-workspace up

clean: ## remove .venv and every cache (not your workspaces)
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
