# draingym: what a clone can do. Each target makes .venv and installs what it needs, once.
#
# PYTHON selects the interpreter (3.11 to 3.14), as in `make PYTHON=python3.12 test`; without it the
# newest one found is used. ARGS is handed on to pytest, to the demo or to the benchmarks.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?=
ARGS ?=
WORKERS ?= 2

# JAX keeps compiled programs, small ones too, so that a second run compiles next to nothing.
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.cache/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES ?= -1

# Installing compiles nothing, so imports must be free to keep what they compile.
unexport PYTHONDONTWRITEBYTECODE

# A stamp is written when an install is whole; it is older than what it was made from after a change.
# Naming an interpreter of another version than the environment's makes the environment again.
version = $(shell $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
stale = $(if $(PYTHON),$(if $(filter x$(call version,$(PYTHON)),x$(call version,$(1)/bin/python)),,stale))
DEV := $(VENV)/.installed-dev
# What dev installs is enough for the demo.
DEMO := $(if $(wildcard $(DEV)),$(DEV),$(VENV)/.installed-demo)
BENCHMARKS := $(filter-out \_%,$(notdir $(basename $(wildcard benchmarks/*.py))))

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9%-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# Half of a first demo is compiling; without fused emitters XLA is twice as quick at it. The benchmarks
# of the loop compile alike, so that their figures are those that the demo prints.
demo bench-loop bench-verdicts: export XLA_FLAGS ?= --xla_cpu_use_fusion_emitters=false

.PHONY: demo
demo: $(DEMO) ## The whole loop, from orders to a validated policy: report in runs/demo
	$(BIN)/draingym demo --out runs/demo $(ARGS)

# A file's tests stay on one worker, so that its fixtures are made and its programs compiled once.
.PHONY: test
test: $(DEV) ## Run the tests (ARGS="-k words" chooses), but for the slow ones
	QUICK_COMPILES=yes $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope -m "not slow" $(ARGS)

.PHONY: test-slow
test-slow: $(DEV) ## Run the slow tests: variants that differ little from what the others check
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist load \
	  -m "slow and not long" $(ARGS)

.PHONY: test-long
test-long: $(DEV) ## Run by hand: whole loops, whole benchmarks at a small size, a million steps
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist load -m long $(ARGS)

# Draws are the same in both precisions, so that what the tests expect is.
.PHONY: test-x64
test-x64: $(DEV) ## Run the simulator's tests, and the README's, in double precision
	QUICK_COMPILES=yes JAX_ENABLE_X64=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope \
	  -m "not slow" $(ARGS) tests/simulator tests/draingym/test_readme.py

# Quick tests of what leans most on others' packages: JAX, Gymnasium, Flax, NumPy's files.
QUICK := tests/simulator/test_classic.py tests/simulator/test_gymnasium_env.py \
  tests/simulator/test_vector_env.py tests/drain_model/test_checkpoint.py \
  tests/policies/test_trainers.py::test_search_finds_the_optimal_level_and_counts_its_rollouts \
  tests/draingym/test_readme.py

.PHONY: test-oldest
test-oldest: ## Run quick tests on the oldest Python and the oldest dependencies we support
	sh tools/test_on.sh 3.11 oldest .venv-oldest -m "not slow" $(QUICK) \
	  -W ignore::DeprecationWarning $(ARGS)

.PHONY: test-newest
test-newest: ## Run quick tests on the newest Python there is of those we support, with the lock
	sh tools/test_on.sh 3.14,3.13 test .venv-newest -m "not slow" $(QUICK) $(ARGS)

# PyTorch is no part of the lock: on Linux the one from PyPI brings gigabytes of CUDA. uv takes the
# build for CPUs; pip takes it from where PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS point.
export UV_TORCH_BACKEND ?= cpu
CLIENTS := .venv-clients/.installed

.PHONY: test-clients
test-clients: $(CLIENTS) ## Run the tests of others' packages on our environments: learners, videos
	.venv-clients/bin/python -m pytest --clients -m "clients and not long" $(ARGS) \
	  tests/draingym/test_clients.py tests/draingym/test_libraries.py \
	  tests/benchmarks/test_torch_drain.py tests/test_docs_code.py

$(CLIENTS): pyproject.toml requirements/test.txt requirements/clients.txt requirements/d3rlpy.txt tools/install.sh $(call stale,.venv-clients)
	PYTHON="$(PYTHON)" sh tools/install.sh --with requirements/clients.txt --alone requirements/d3rlpy.txt test .venv-clients
	@touch $@

.PHONY: test-gymnasium
test-gymnasium: $(CLIENTS) ## Run by hand: Gymnasium's own tests on our ids (ARGS=--ours: on our vectors)
	.venv-clients/bin/python -m pip install --quiet --requirement requirements/gymnasium_tests.txt
	PYTHONPATH=. SDL_VIDEODRIVER=dummy .venv-clients/bin/python -m tools.gymnasium_tests $(ARGS)

# gymnax holds Gymnasium below 1.4 and JAX below 0.12, which the lock does not.
GYMNAX := .venv-gymnax/.installed

.PHONY: test-gymnax
test-gymnax: $(GYMNAX) ## Run the tests of gymnax 1.0 and rejax on our environments
	.venv-gymnax/bin/python -m pytest --clients -m "clients and not long" $(ARGS) tests/draingym/test_gymnax_client.py

$(GYMNAX): pyproject.toml requirements/test.txt requirements/gymnax.txt tools/install.sh $(call stale,.venv-gymnax)
	PYTHON="$(PYTHON)" sh tools/install.sh --with requirements/gymnax.txt test .venv-gymnax
	@touch $@

# Ray holds Gymnasium at a version that the lock is past, and is some 250 MB.
RLLIB := .venv-rllib/.installed

.PHONY: test-rllib
test-rllib: export RAY_USAGE_STATS_ENABLED := 0
test-rllib: $(RLLIB) ## Run the tests of RLlib's PPO on our environments
	.venv-rllib/bin/python -m pytest --clients -m "clients and not long" $(ARGS) tests/draingym/test_rllib_client.py

$(RLLIB): pyproject.toml requirements/test.txt requirements/rllib.txt tools/install.sh $(call stale,.venv-rllib)
	PYTHON="$(PYTHON)" sh tools/install.sh --with requirements/rllib.txt test .venv-rllib
	@touch $@

BROWSER := .venv-browser/.installed

.PHONY: test-browser
test-browser: $(BROWSER) ## Open the pages in a headless Chromium, which must be there: apt-get install chromium
	.venv-browser/bin/python -m pytest --browser -m browser $(ARGS) tests/draingym/test_browser.py

$(BROWSER): pyproject.toml requirements/test.txt requirements/browser.txt tools/install.sh $(call stale,.venv-browser)
	PYTHON="$(PYTHON)" sh tools/install.sh --with requirements/browser.txt test .venv-browser
	@touch $@

# PySpark is some 400 MB and needs Java 17 or later: it is in no other environment.
SPARK := .venv-spark/.installed

.PHONY: test-spark
test-spark: $(SPARK) ## Build panels by Spark in a local session, beside DuckDB; needs Java
	.venv-spark/bin/python -m pytest $(ARGS) tests/world/test_panel_engines.py

$(SPARK): pyproject.toml requirements/dev.txt requirements/spark.txt tools/install.sh $(call stale,.venv-spark)
	PYTHON="$(PYTHON)" sh tools/install.sh --with requirements/spark.txt dev .venv-spark
	@touch $@

# pip-audit asks PyPI. AUDIT=--may-skip passes where nobody can be asked, and says so.
AUDIT ?=

.PHONY: audit
audit: .venv-audit/.installed ## Look up known holes of the versions in requirements/; needs a network
	sh tools/audit.sh $(AUDIT) .venv-audit

.venv-audit/.installed: requirements/audit.txt
	$(or $(PYTHON),python3) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.PHONY: check-wheel
check-wheel: $(DEV) ## Build the wheel and use it where a user's own folders bear our names
	$(BIN)/python tools/check_wheel.py $(ARGS)

# The pages of environments hold a picture each, which JAX computes: compiling is all it costs.
DOCS := .venv-docs/.installed

.PHONY: docs
docs: export XLA_FLAGS ?= --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true
docs: export NO_MKDOCS_2_WARNING := true
docs: $(DOCS) ## Build the site into build/site; a warning, or a link that leads nowhere, is an error
	MPLBACKEND=Agg .venv-docs/bin/python -m mkdocs build --clean $(ARGS)

$(DOCS): pyproject.toml requirements/docs.txt tools/install.sh $(call stale,.venv-docs)
	PYTHON="$(PYTHON)" sh tools/install.sh docs .venv-docs
	@touch $@

.PHONY: lint
lint: $(DEV) check-lock ## Check style, formatting, types and the lock
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: format
format: $(DEV) ## Rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(addprefix bench-,$(filter-out gpu,$(BENCHMARKS))) ## Run every benchmark but that of GPUs (bench-NAME: one of them)

.PHONY: bench-%
bench-%: $(DEV)
	$(BIN)/python -m benchmarks.$* $(ARGS)

bench-site: docs

# JAX for CUDA and PyTorch, both from PyPI, share NVIDIA's libraries: some gigabytes.
GPU := .venv-gpu/.installed

.PHONY: bench-gpu
bench-gpu: $(GPU) ## Time rollouts and training on one NVIDIA GPU, beside PyTorch; needs CUDA 13
	.venv-gpu/bin/python -m benchmarks.gpu $(ARGS)

$(GPU): pyproject.toml requirements/test.txt requirements/gpu.txt tools/install.sh $(call stale,.venv-gpu)
	PYTHON="$(PYTHON)" env -u UV_TORCH_BACKEND \
	  sh tools/install.sh --with requirements/gpu.txt test .venv-gpu
	@touch $@

# statsforecast, mlforecast and NeuralForecast are no part of the lock: they hold pandas below 3, and
# PyTorch is another file on each kind of machine.
FORECASTERS := .venv-forecasters/.installed

.PHONY: bench-forecasters
bench-forecasters: $(FORECASTERS) ## Forecast real demand, beside baselines, LightGBM and NeuralForecast
	.venv-forecasters/bin/python -m benchmarks.forecasters $(ARGS)

$(FORECASTERS): pyproject.toml requirements/dev.txt requirements/forecasters.txt tools/install.sh $(call stale,.venv-forecasters)
	PYTHON="$(PYTHON)" sh tools/install.sh --with requirements/forecasters.txt dev .venv-forecasters
	@touch $@

.PHONY: test-latest
test-latest: ## Run the tests without the lock, on the newest version of everything
	PYTHON="$(PYTHON)" sh tools/install.sh --newest dev .venv-latest
	.venv-latest/bin/python -m pytest --numprocesses $(WORKERS) --dist loadscope -m "not slow" $(ARGS)

# uv itself comes with the dev extra, so that every machine writes and checks the lock alike. The
# index is named so that no mirror of a developer's own gets into it.
UV := $(BIN)/uv
INDEX := --default-index https://pypi.org/simple
EXPORT := $(UV) export --quiet --frozen --no-emit-project --no-header --no-annotate
LOCKED := dev demo docs test
OLDEST := $(UV) pip compile --quiet $(INDEX) --resolution lowest-direct --universal \
  --python-version 3.11 --generate-hashes --no-header --no-annotate --extra test pyproject.toml

.PHONY: lock
lock: $(DEV) ## Write uv.lock and requirements/ after a change of pyproject.toml (ARGS=--upgrade)
	$(UV) lock $(INDEX) $(ARGS)
	$(EXPORT) --output-file requirements/core.txt
	for extra in $(LOCKED); do \
	  $(EXPORT) --extra $$extra --output-file requirements/$$extra.txt || exit; done
	$(OLDEST) $(ARGS) --output-file requirements/oldest.txt

.PHONY: check-lock
check-lock: $(DEV)
	$(UV) lock --quiet --check $(INDEX)
	$(EXPORT) | diff requirements/core.txt -
	for extra in $(LOCKED); do \
	  $(EXPORT) --extra $$extra | diff requirements/$$extra.txt - || exit; done
	$(OLDEST) --constraints requirements/oldest.txt | diff requirements/oldest.txt -
	@! grep -oE 'https?://[^/"]+' uv.lock | sort -u | \
	  grep -vxE 'https://(pypi\.org|files\.pythonhosted\.org)' || \
	  { echo 'uv.lock names the hosts above, not only PyPI: run "make lock" again' >&2; exit 1; }

.PHONY: clean
clean: ## Remove caches and environments (runs/ stays)
	rm -rf .venv .venv-* .cache build .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.installed-%: pyproject.toml uv.lock requirements/%.txt tools/install.sh $(call stale,$(VENV))
	PYTHON="$(PYTHON)" sh tools/install.sh $* $(VENV)
	@touch $@

.PHONY: stale
stale:
