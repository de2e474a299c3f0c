# make demo   the main job on simulated channels, or on DATA_DIR=... published files
# make test   lint and the whole default suite
PYTHON ?= $(shell for p in python3.11 python3.10 python3.9 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 11))' \
	2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/installed

.PHONY: demo test lint

demo: $(READY)
	$(BIN)/python train/demo.py --config=configs/demo.py --workdir=runs/demo \
		$(if $(DATA_DIR),--data_dir=$(DATA_DIR))

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

$(READY): setup.py
	@test -n "$(PYTHON)" || { echo "error: tfcsi needs Python 3.9, 3.10 or 3.11; \
	name one with make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[dev]'
	@touch $@
