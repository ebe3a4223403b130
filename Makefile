# updown: every target builds what it needs, so `make demo` and `make test` work in a fresh clone with no other step.
# Say `make` for the list. Options of a command go into ARGS, as in `make backtest ARGS="--json"`.

UV_VERSION := 0.13.9
READY := .venv/.ready
UPDOWN := .venv/bin/updown
ARGS ?=
DATA ?=
DECISION ?=
JOURNAL ?=
PORT ?= 2024

# An activated environment must not be mistaken for ours, nor may uv fetch interpreters behind our back.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo stack-local venue paper record realism generate test rehearse lint check fix bench prove evals backtest replay report graph step studio clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## build .venv with the locked packages (needs Python 3.11 to 3.13 with venv; 3.12 is preferred)

# PYTHON names the interpreter to use; otherwise the first that runs, is new enough and can make environments.
$(READY): pyproject.toml uv.lock
	@if ! .venv/bin/python -c 'import pip' 2>/dev/null; then \
	  for python in $(PYTHON) python3.12 python3.13 python3.11 python3 python none; do \
	    if [ "$$python" = none ]; then \
	      echo "No Python 3.11 to 3.13 with venv found. On Debian or Ubuntu: apt install python3 python3-venv" >&2; exit 1; \
	    fi; \
	    "$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	      2>/dev/null && break; \
	  done; \
	  echo "building .venv with $$("$$python" -c 'import sys; print(sys.executable, sys.version.split()[0])')"; \
	  "$$python" -m venv --clear .venv; \
	fi
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	.venv/bin/uv sync --frozen --inexact --quiet --python .venv/bin/python
	@touch $@

demo: $(READY) ## the venue next door, the feeds and the desk, trading over real sockets: no keys, no network
	$(UPDOWN) demo $(ARGS)

venue: $(READY) ## only the venue next door, for other people's clients; it prints its addresses
	$(UPDOWN) venue $(ARGS)

stack-local: $(READY) ## the demo as processes over Kafka, PostgreSQL and Redis of this machine, without containers
	$(UPDOWN) stack $(ARGS)

paper: $(READY) ## real feeds, the matching model as the venue: nothing is ever sent (needs the internet)
	$(UPDOWN) paper $(ARGS)

record: $(READY) ## write real feeds down, to backtest on later (needs the internet)
	$(UPDOWN) record $(ARGS)

realism: $(READY) ## hold the market next door against recordings; ARGS="--data folder"
	$(UPDOWN) realism $(ARGS)

generate: $(READY) ## a made-up recording, the whole desk over it, and the report
	$(UPDOWN) generate $(ARGS)

test: $(READY) ## the fast tests, side by side on all cores (minutes; the first run also compiles the core)
	.venv/bin/pytest -q -m "not rehearsal" --numprocesses auto --dist loadfile $(ARGS)

rehearse: $(READY) ## the slow tests: whole venues, other people's clients, faults, played near real time
	.venv/bin/pytest -q -m rehearsal $(ARGS)

lint: $(READY) ## style, layout, floors, types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/mypy

check: lint test rehearse ## all that must hold before a commit

fix: $(READY) ## put style and layout right by machine
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: $(READY) ## measure the speeds that the README states, with their spread
	$(UPDOWN) bench $(ARGS)

prove: $(READY) ## hold every claim against its bar; DATA=folder takes other recordings
	$(UPDOWN) prove --all $(if $(DATA),--data $(DATA)) $(ARGS)

backtest: $(READY) ## run the desk over recordings; DATA="folder folder"
	$(UPDOWN) backtest $(DATA) $(ARGS)

replay: $(READY) ## prove a journal: same events, same decisions; JOURNAL=folder
	$(UPDOWN) replay $(JOURNAL) $(ARGS)

evals: $(READY) ## score what the agents say; MODEL=name and BASE_URL=address put a model of yours to the test
	$(UPDOWN) evals $(if $(MODEL),--model $(MODEL)) $(if $(BASE_URL),--base-url $(BASE_URL)) $(ARGS)

report: $(READY) ## write the report of a run as one HTML page
	$(UPDOWN) report $(ARGS)

graph: $(READY) ## draw the desk
	$(UPDOWN) graph $(ARGS)

step: $(READY) ## step through one decision, stage by stage; DECISION=number
	$(UPDOWN) step $(DECISION) $(ARGS)

studio: export LANGGRAPH_CLI_NO_ANALYTICS := 1
studio: export LANGGRAPH_NO_VERSION_CHECK := true
studio: export LANGSMITH_TRACING := false
studio: $(READY) ## serve desk, supervisor and chat to LangGraph Studio on this machine only; UPDOWN_STUDIO_RECORD=folder names a record
	.venv/bin/langgraph dev --allow-blocking --host 127.0.0.1 --port $(PORT) --no-browser --n-jobs-per-worker 10 $(ARGS)

clean: ## remove what was made: environment, caches, compiled code; var/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .langgraph_api
	find state tools agents graph evals infra tests -name __pycache__ -type d -prune -exec rm -rf {} +
