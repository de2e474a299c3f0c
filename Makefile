# `make` or `make help` lists the targets.
PYTHON ?= $(shell for p in python3.11 python3.10 python3.9 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 11))' \
	2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/installed

WORKDIR ?= runs/demo
CODEC ?= cllwcsinet-indoor-cr8
PATHS ?= paths
REPORTED ?= paths paths_cost2100_indoor
PRECISION ?= float32
PAGE := docs/demo
FILES := runs/page
INPUTS ?= 100000
MANY ?= 10000000
SECONDS_OF_SOAK ?= 3600

.DEFAULT_GOAL := help
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
PYTHONS ?= python3.9 python3.10 python3.11
.PHONY: help demo report test test-all soak lint docs lock release-check audit check-arm browser test-browser

help:  ## Lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | \
		awk -F ':.*## ' '{printf "make %-14s %s\n", $$1, $$2}'

demo: $(READY)  ## Runs the main job on simulated channels, or on the files in DATA_DIR
	$(BIN)/python train/demo.py --config=configs/demo.py --workdir=runs/demo \
		$(if $(DATA_DIR),--data_dir='$(DATA_DIR)')

report: $(READY)  ## Draws the codecs REPORTED on the CSI in INPUT, or on simulated channels
	@mkdir -p runs
	$(if $(INPUT),,$(BIN)/tfcsi generate --channel=cost2100_indoor --num=20,20,200 --out=runs/channels)
	$(BIN)/tfcsi report $(REPORTED) --input='$(or $(INPUT),runs/channels/DATA_Htestin.mat)' \
		--output=runs/report.html

test: lint  ## Runs lint and the whole default suite
	$(PYTEST)

test-all: test docs  ## Runs the default suite, the slow tests, more examples, the browser; builds the site
	$(PYTEST) -m slow
	$(PYTEST) --hypothesis-profile=tfcsi_thorough $$(find tests -name 'test_*properties.py')
	@if command -v npm && { command -v chromium || command -v google-chrome; }; \
	then $(MAKE) test-browser; \
	else echo "the page is not tested: that needs Node.js, npm and Chromium"; fi

soak: $(READY)  ## All wrong inputs of each command, faults in runs, hostile inputs: MANY headers, INPUTS of each kind
	$(PYTEST) -m 'soak or not slow' tests/commands/test_wrong_inputs.py tests/faults
	$(PYTEST) -m soak tests/models
	$(BIN)/python -m tests.hostile.bulk --inputs=$(MANY) --output=results/soak.json
	$(BIN)/python -m pip install --disable-pip-version-check -q atheris==2.3.0
	$(BIN)/python -m tests.hostile.fuzz --inputs=$(INPUTS) --seconds=$(SECONDS_OF_SOAK) \
		--networks --output=results/soak.json

lint: $(READY)  ## Checks formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(READY)  ## Builds the documentation site into site/, warnings are errors
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock:  ## Renews requirements.lock, the packages of demo and test with their hashes
	$(PYTHON) -m venv .lock
	.lock/bin/python -m pip install --disable-pip-version-check -q uv==0.13.9
	echo 'setuptools<81' | .lock/bin/uv pip compile setup.py - --extra dev \
		--universal --python-version 3.9 --generate-hashes --no-annotate \
		--no-header --output-file requirements.lock --quiet

release-check: $(READY)  ## Tests sdist and wheel in new environments of all PYTHONS
	@for p in $(PYTHONS); do command -v $$p > /dev/null || { \
		echo "error: there is no $$p; install it, or name others: make $@ PYTHONS=..." >&2; \
		exit 1; }; done
	TFCSI_PYTHONS=$$(for p in $(PYTHONS); do command -v $$p; done | paste -sd,) \
		$(BIN)/python -m pytest -m slow tests/programs/test_wheel.py

audit:  ## Asks for known faults of the locked packages; needs the network
	$(PYTHON) -m venv .lock
	.lock/bin/python -m pip install --disable-pip-version-check -q pip-audit==2.10.1
	.lock/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.lock

check-arm: $(READY)  ## Runs the encoders of WORKDIR on emulated 64-bit ARM (docs/arm.md)
	sh tflite/arm64.sh .arm64 $(BIN)/python
	$(BIN)/python tflite/check_arm.py --workdir='$(WORKDIR)' --machine=.arm64

browser: $(READY) $(PAGE)/node_modules  ## Serves a page with the codecs CODEC and PATHS (docs/demo/README.md)
	$(BIN)/tfcsi export --codec='$(CODEC)' --folder=$(FILES) --precision=$(PRECISION) --decoder
	$(BIN)/tfcsi export --codec='$(PATHS)' --folder=$(FILES)/paths
	@echo "open http://localhost:8000/$(PAGE)/?encoder=/$(FILES)/encoder_$(PRECISION).tflite&decoder=/$(FILES)/decoder.tflite&tables=/$(FILES)/tables.npz&paths=/$(FILES)/paths/tables.npz"
	$(BIN)/python -m http.server --bind 127.0.0.1 8000

test-browser: $(READY) $(PAGE)/node_modules  ## Tests that page and reports; needs Chromium
	$(BIN)/python -m pytest -m 'slow or not slow' tests/programs/test_browser.py \
		tests/programs/test_browser_codecs.py tests/programs/test_browser_page.py \
		tests/programs/test_browser_tokens.py tests/programs/test_pages.py \
		tests/programs/test_browser_network_tables.py

$(PAGE)/node_modules: $(PAGE)/package-lock.json
	npm ci --prefix $(PAGE)
	@touch $@

$(READY): setup.py
	@test -n "$(PYTHON)" || { echo "error: tfcsi needs Python 3.9, 3.10 or 3.11; \
	name one with make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[dev]'
	@touch $@
