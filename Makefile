# make demo    the daemon on six traffic stories, no root, no configuration   (DEMO_SECONDS=n ends it by itself)
# make test    the quick tests          make test-slow, make test-live: the others
# make test-pythons   the quick tests under each Python that is supported and present
# make deb     the Debian package       make bundle: wheels for an installation without a network (docs/install.md)
# make test-deb       builds both and installs them, the package in a Debian of its own (root, debootstrap)
# make bench   sniffer and others on the same traffic (BENCH="--live" and other options of bench/run.py; bench/README.md)
# make e2e     from packets to pictures: daemon, Prometheus, rules, an alert, dashboards (docs/dashboards.md)
# make lint    ruff and mypy            make ci: everything that has to hold before a change goes in

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTHONS ?= python3.11 python3.12 python3.13
DEMO_SECONDS ?= 0
DEMO_SPEED ?= 60
DEMO_LISTEN ?= 127.0.0.1:9478
BENCH ?=

.PHONY: demo test test-slow test-live test-pythons test-deb warm deb bundle dashboards e2e lint format ci bench clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@

demo: $(VENV)/.installed
	@$(BIN)/python pcaps/merge.py build/demo.pcap
	@$(BIN)/sniffer run --replay build/demo.pcap --speed $(DEMO_SPEED) --listen $(DEMO_LISTEN) --table --seconds $(DEMO_SECONDS)

# Tests of a process that starts wait a minute for it: the packet gate is compiled before them, once for each Python.
warm: $(VENV)/.installed
	@$(BIN)/python -c "from sniffer.control.worker import warm_up; warm_up()"

test: warm
	$(BIN)/python -m pytest -n 2 -m "not slow and not live"

test-pythons:
	@sh scripts/test_pythons.sh "$(MAKE)" $(PYTHONS)

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

test-live: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "live and not package"

test-deb: $(VENV)/.installed
	$(BIN)/python -m pytest -m package

bundle: $(VENV)/.installed
	$(BIN)/python scripts/make_bundle.py

deb: $(VENV)/.installed
	@bundle=$$($(BIN)/python scripts/make_bundle.py) && $(BIN)/python scripts/make_deb.py "$$bundle"

dashboards: $(VENV)/.installed
	$(BIN)/python -m pytest tests/dashboards tests/test_make_dashboards.py

e2e: $(VENV)/.installed
	$(BIN)/python tests/dashboards/e2e.py

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ci: lint test test-slow test-live e2e test-deb

bench: $(VENV)/.installed
	$(BIN)/python bench/run.py $(BENCH)
	$(BIN)/python bench/costs.py
	$(BIN)/python bench/rules.py
	$(BIN)/python bench/growth.py

clean:
	rm -rf $(VENV) .venv-3.* build .pytest_cache .mypy_cache .ruff_cache .hypothesis
