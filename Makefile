# make demo   installs into .venv and runs the main job on the embedded server
# make grid-demo  a grid of one's own, a folder there and back; as root on Debian it installs xrootd
# make inventory-demo  a collector of one's own, this machine's report, and questions
# make test   everything that CI runs: format, lint, types, import contract, all tests
# make soak   the fault tests of tests/faults with large numbers (an hour); not part of make test
# make outage the collector's databases away for a true hour; not part of make test
# make bench  the figures of docs/benchmarks.md, both sides in one run
PYTHON ?= python3
SOURCES := setup.cfg pyproject.toml README.md $(shell find headless jobs -name '*.py')
DEV := .venv-dev/bin
# Tests wait more than they compute: one more than CI's two processors.
WORKERS ?= 3

.PHONY: demo grid-demo inventory-demo test check unit soak outage peers bench docs clean

demo: .venv/installed
	@$(PYTHON) contrib/demo/demo.py .venv/bin/headless

grid-demo: .venv/grid peers
	@$(PYTHON) contrib/demo/grid.py .venv/bin/headless

inventory-demo: .venv/inventory
	@$(PYTHON) contrib/demo/inventory.py .venv/bin/headless

test: .venv-dev/installed peers check
	$(DEV)/python -m pytest --quiet tests/protocol -n 2 --cov=headless.protocol --cov-branch --cov-fail-under=100 --cov-report=
	$(DEV)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --ignore=tests/protocol

check: .venv-dev/installed
	$(DEV)/ruff format --check .
	$(DEV)/ruff check .
	$(DEV)/mypy
	$(DEV)/mypy --platform win32 headless
	$(DEV)/lint-imports --no-cache

unit: .venv-dev/installed
	$(DEV)/python -m pytest tests/unit tests/protocol

soak: .venv-dev/installed peers
	HEADLESS_SOAK=1 $(DEV)/python -m pytest tests/faults

outage: .venv-dev/installed peers
	HEADLESS_OUTAGE_S=3600 $(DEV)/python -m pytest -n 2 -rP tests/faults/test_inventory_outage.py -k for_an_hour

peers:
	@./tests/peers.sh

bench: .venv/grid peers
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check alienpy '.[inventory]'
	.venv/bin/python -m bench
	.venv/bin/python -m bench.grid
	.venv/bin/python -m bench.inventory

docs: .venv-dev/installed
	$(DEV)/python -m headless.cli.manual docs

.venv/installed: $(SOURCES)
	@test -x .venv/bin/python || $(PYTHON) -m venv --upgrade-deps .venv 2>&1 | grep -v '^WARNING: Location' >&2 || true
	@rm -rf build
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade . 2>&1 | grep -v '^WARNING: Location' >&2 || true
	@test -x .venv/bin/headless
	@rm -rf build
	@touch $@

.venv/grid: .venv/installed
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check '.[grid]' 2>&1 | grep -v '^WARNING: Location' >&2 || true
	@rm -rf build
	@touch $@

.venv/inventory: .venv/installed
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check '.[inventory]' 2>&1 | grep -v '^WARNING: Location' >&2 || true
	@rm -rf build
	@touch $@

.venv-dev/installed: setup.cfg pyproject.toml
	@test -x .venv-dev/bin/python || $(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .venv-dev build dist *.egg-info
