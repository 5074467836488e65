# make demo    trace two aerial images, on a fresh machine with Python >= 3.11, pip and make
# make test    run the tests
# make check   format, lint, types, layers
# make docs    write docs/commands.md, docs/contest_file.md and the table of docs/models.md from what they describe

PYTHON ?= python3
VENV := .venv
STREETS := packages/overtrace-streets
BIN := $(VENV)/bin

# Two parts at a time. Training has a process of its own: beside a browser and all else it once ended in a segmentation
# fault.
TRAINING := tests/contests tests/learn tests/networks
HOST := tests/host

.PHONY: demo test test-rest test-host test-training check docs clean

demo: $(VENV)/core.stamp
	$(BIN)/overtrace demo --out demo

test: $(VENV)/dev.stamp
	$(MAKE) --jobs=2 --output-sync=target --no-print-directory test-rest test-host test-training

test-rest: $(VENV)/dev.stamp
	$(BIN)/pytest $(addprefix --ignore=,$(HOST) $(TRAINING))

test-host: $(VENV)/dev.stamp
	$(BIN)/pytest $(HOST)

test-training: $(VENV)/dev.stamp
	$(BIN)/pytest $(TRAINING)

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/dev.stamp
	$(BIN)/python docs/make_commands.py
	$(BIN)/python -m docs.make_contest_file
	$(BIN)/python -m docs.make_models

# Debian's python3 has no ensurepip: there the system's pip puts pip into the environment.
$(VENV)/venv.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || \
		{ $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install pip; }
	touch $@

$(VENV)/core.stamp: $(VENV)/venv.stamp pyproject.toml $(STREETS)/pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --editable $(STREETS)
	touch $@

$(VENV)/dev.stamp: $(VENV)/venv.stamp pyproject.toml $(STREETS)/pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' --editable $(STREETS)
	touch $(VENV)/core.stamp $@

clean:
	rm -rf $(VENV) demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
