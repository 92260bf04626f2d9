PY ?= python3.11
PYTEST ?= -q -n auto -m 'not long'
# Not ?=: shells export a HOST of their own.
HOST = 127.0.0.1
PORT = 8000

UV := $(shell uv --version >/dev/null 2>&1 && echo uv)
BIN := .venv/bin
# `install`, not `sync`: the runtime's lock would take the tools of the developers away.
LOCKED = $(or $(UV),$(BIN)/uv) pip install -q --require-hashes --python $(BIN)/python

.PHONY: help install run test check bench fuzz soak kills
.DELETE_ON_ERROR:

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/.ok .env ## the environment in .venv and new secrets in .env

run: install ## the dashboard: http://127.0.0.1:8000, or HOST=... PORT=...
	@$(BIN)/python manage.py migrate -v 0
	@$(BIN)/python manage.py serve --host $(HOST) --port $(PORT)

test: install .venv/.dev ## the tests; PYTEST="-q tests/engine" chooses
	@$(BIN)/pytest $(PYTEST)

check: install .venv/.dev ## lint, format, types, directions, migrations, deployment settings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy calls evergrove_dash sandbox
	$(BIN)/lint-imports --no-logo
	$(BIN)/python manage.py makemigrations --check --dry-run
	API_KEY=for-this-check API_URL= DEBUG= ALLOWED_HOSTS=dash.example.com \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

bench: install .venv/.dev ## how fast the engine and the pages are
	@$(BIN)/python -m bench

fuzz: install .venv/.dev ## damaged files into the intake for MINUTES=1
	@$(BIN)/python -m tests.intake.fuzz $(MINUTES)

soak: SEEDS = 1000000
soak: FROM = 0
soak: MODE = both
soak: JOBS = 2
soak: MINUTES = 10
soak: DENSITY = 1
soak: install .venv/.dev ## simulated days of the engine for MINUTES=10; SEEDS, FROM, MODE, JOBS, DENSITY
	@$(BIN)/python -m tests.simulation.soak --seeds $(SEEDS) --from $(FROM) --mode $(MODE) \
		--jobs $(JOBS) --minutes $(MINUTES) --density $(DENSITY)

kills: ROWS = 2000
kills: KILLS = 50
kills: SEED = 1
kills: install .venv/.dev ## random kills of the worker under load: ROWS=2000, KILLS, SEED; about a quarter of an hour
	@$(BIN)/python -u -m tests.processes.storm --rows $(ROWS) --kills $(KILLS) --seed $(SEED)

.venv/.ok: requirements.lock
	@test -x $(BIN)/python || $(PY) -m venv .venv
	@test -n "$(UV)" || $(BIN)/python -m pip install -q uv
	@$(LOCKED) -r requirements.lock
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.ok
	@$(LOCKED) -r requirements-dev.lock
	@touch $@

.env:
	@$(BIN)/python -m evergrove_dash.env
