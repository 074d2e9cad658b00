# The README's commands. Every target makes its own environment first and needs nothing but Python 3.11 to 3.13.
PYTHON ?= python3
BIN := .venv/bin
DEMO_HOME ?= demo-home
DEMO_RUN := $(DEMO_HOME)/runs/protonet-demo

# Where this is set, each of the processes that the tests start would compile torch anew: 4 s in place of 2.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-all fuzz kill lint bench tables pictures growth

# uv installs in seconds what pip installs in minutes, but does not read pip's settings by itself.
$(BIN)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet uv
	UV_FIND_LINKS="$$PIP_FIND_LINKS" $(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev]'
	touch $@

# Raw files, a store, a trained network, and its accuracy beside chance and the best untrained recipe.
demo: export FSPREP_HOME := $(abspath $(DEMO_HOME))
demo: $(BIN)/.installed
	$(BIN)/fsprep demo
	$(BIN)/fsprep build demo
	$(BIN)/fszoo train nearest --data demo
	$(BIN)/fszoo train protonet --data demo --out $(DEMO_RUN)

test: $(BIN)/.installed
	$(BIN)/pytest --numprocesses auto --maxprocesses 8

# What `test` leaves out: minutes rather than seconds.
test-all: $(BIN)/.installed
	$(BIN)/pytest -m "not gpu and not benchmark and not fuzz"

# Broken files by the hundred thousand for every reader; FUZZ_INPUTS=1000 takes fewer.
fuzz: $(BIN)/.installed
	$(BIN)/pytest -m fuzz -s tests/fuzz

# Every command killed at its named points and at random, then run again; KILLS=1000 takes about half an hour.
KILLS ?= 100
kill: $(BIN)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python tests/kill/campaign.py --kills $(KILLS)

lint: $(BIN)/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(BIN)/.installed
	$(BIN)/pytest -m benchmark -s tests/benchmark

# Writes the generated tables of the READMEs.
tables: $(BIN)/.installed
	PYTHONPATH=. $(BIN)/python tests/helpers/readme_tables.py

# The figures of the front page, after `make demo`: an episode, and in headless Chromium the report of its run and the
# viewer, with recordings and videos in a folder of their own.
PICTURES := $(DEMO_HOME)/pictures
pictures: $(BIN)/.installed
	PYTHONPATH=. $(BIN)/python tests/helpers/readme_picture.py $(DEMO_HOME)/stores/demo-agcn.zarr
	FSPREP_HOME=$(abspath $(DEMO_HOME)) $(BIN)/fszoo report $(DEMO_RUN)
	FSPREP_HOME=$(abspath $(PICTURES)) $(BIN)/fsprep demo --videos --clips 240
	FSPREP_HOME=$(abspath $(PICTURES)) $(BIN)/fsprep build demo
	PYTHONPATH=.:tests $(BIN)/python tests/helpers/readme_pages.py \
		$(PICTURES)/stores/demo-agcn.zarr $(PICTURES)/raw/demo $(DEMO_RUN)/report/report.html

# How cost grows with the sizes of an episode and the number of clips: zoo/growth.png, prep/growth.png, a table.
growth: $(BIN)/.installed
	OMP_NUM_THREADS=1 KINETO_LOG_LEVEL=9 PYTHONPATH=.:tests $(BIN)/python tests/helpers/growth.py
