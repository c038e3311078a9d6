# Two commands on a fresh machine: `make demo` and `make test`. Both make the environment first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := $(VENV)/.demo
STAMP  := $(VENV)/.installed
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# Two processes; the one that is done first takes over half of what the other has left.
BOTH   := -n 2 --dist worksteal
# One thread for each of the two: with two of TensorFlow's each, tests take a twelfth longer. The laws have them all.
ALONE  := TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# Laws of what needs no framework hold on every backend.
STRANGERS := --ignore tests/laws/test_documents.py --ignore tests/laws/test_selectors.py
# JAX compiles every operation for every shape; what one process has compiled, the other reads. One that it finds half
# written JAX warns of, and compiles itself; with JAX's own lock every write looks at all that was written before.
COMPILED := JAX_COMPILATION_CACHE_DIR=$(CURDIR)/build/jax JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 \
	JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
# What draws the weights of new layers is compiled for every shape; JAX's older generator takes a third of the time.
DRAWN := JAX_THREEFRY_PARTITIONABLE=0
HALF_WRITTEN := -W 'ignore:Error reading persistent compilation cache entry:UserWarning'
export KERAS_BACKEND ?= tensorflow
export TF_CPP_MIN_LOG_LEVEL ?= 2
export TF_ENABLE_ONEDNN_OPTS ?= 1
# Threads of PyTorch that wait do not keep a core from the other process: the laws took five times as long.
export OMP_WAIT_POLICY ?= passive
# What the first process has compiled, the others read, whatever the machine is set to. Of 21,000 files a good quarter is
# ever imported, so pip compiles none.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test quick lint laws bench fuzz docs clean

demo: $(DEMO)  ## the main job, offline, on digits that ship with scikit-learn
	$(BIN)/regraft demo --out build/demo

# Pyright keeps one core busy while the laws use what is left of both.
test: $(STAMP)  ## everything CI runs
	$(MAKE) --no-print-directory --jobs 2 $(filter --output-sync,$(.FEATURES:%=--%)) lint laws
	$(ALONE) $(DRAWN) $(BIN)/pytest $(BOTH) --ignore tests/laws -q

laws: $(STAMP)  ## what holds on every backend
	$(BIN)/pytest $(BOTH) tests/laws -q
	KERAS_BACKEND=jax $(COMPILED) $(DRAWN) $(BIN)/pytest $(BOTH) tests/laws $(STRANGERS) $(HALF_WRITTEN) -q
	KERAS_BACKEND=torch $(BIN)/pytest $(BOTH) tests/laws $(STRANGERS) -q

quick: $(STAMP)  ## the fast tests only
	$(BIN)/pytest -m "not slow" -q

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(STAMP)  ## side by side, as ratios with medians
	$(BIN)/python -m benchmarks

fuzz: $(STAMP)  ## altered files of every format against the readers; findings are kept in build/fuzz
	$(BIN)/python -m fuzz

docs: $(STAMP)  ## write docs/cli.md anew, from the --help of every command
	$(BIN)/python docs/cli_reference.py

# What a user has; a first look should not have to wait for three frameworks.
$(DEMO): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Regraft needs Python 3.11 or newer; say make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable ".[tensorflow-cpu]"
	touch $(DEMO)

$(STAMP): $(DEMO)
	$(PIP) torch==2.13.0 \
		--editable ".[tensorflow-cpu,jax,torch,torch-modules,onnx,openvino,onnxruntime,ray,parquet,datasets,text,dev]"
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache
