# make demo    the daemon on six traffic stories, no root, no configuration   (DEMO_SECONDS=n ends it by itself)
# make test    the quick tests          make test-slow, make test-live: the others
# make bench   sniffer and others on the same traffic (BENCH="--live" and other options of bench/run.py; bench/README.md)
# make e2e     from packets to pictures: daemon, Prometheus, rules, an alert, dashboards (docs/dashboards.md)
# make lint    ruff and mypy            make ci: everything that has to hold before a change goes in

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_SECONDS ?= 0
DEMO_SPEED ?= 60
DEMO_LISTEN ?= 127.0.0.1:9478
BENCH ?=

.PHONY: demo test test-slow test-live dashboards e2e lint format ci bench clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@

demo: $(VENV)/.installed
	@$(BIN)/python pcaps/merge.py build/demo.pcap
	@$(BIN)/sniffer run --replay build/demo.pcap --speed $(DEMO_SPEED) --listen $(DEMO_LISTEN) --table --seconds $(DEMO_SECONDS)

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 -m "not slow and not live"

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 -m slow

test-live: $(VENV)/.installed
	$(BIN)/python -m pytest -m live

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

ci: lint test test-slow test-live e2e

bench: $(VENV)/.installed
	$(BIN)/python bench/run.py $(BENCH)
	$(BIN)/python bench/costs.py
	$(BIN)/python bench/rules.py
	$(BIN)/python bench/growth.py

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
