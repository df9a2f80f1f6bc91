# `make demo` and `make test` do all their set-up themselves, in .venv and .home of this folder.

PYTHON ?= python3
PHOTO ?=
OUTPUT ?= output

VENV := .venv
RUN := $(VENV)/bin/python
# A home of its own: Ikomia keeps plugins, settings and a log under ~/Ikomia, and the user's must stay as they are.
OWN_HOME := HOME="$(CURDIR)/.home" QT_QPA_PLATFORM=offscreen

.PHONY: help demo test test-fast lint bench page package install clean

help:
	@echo "make demo [PHOTO=path] [OUTPUT=folder]  matte a photo (without PHOTO: an example) into OUTPUT"
	@echo "make test                               run all tests"
	@echo "make test-fast                          run the quick tests: about a minute"
	@echo "make lint                               check style and types"
	@echo "make bench                              compare speed with the published procedure"
	@echo "make page                               build the page that mattes in a browser into page/dist; needs node 18"
	@echo "make package                            build dist/infer_p3m_portrait_matting.zip for the Ikomia HUB; p3m_page.zip if the page is built"
	@echo "make install [PYTHON=python3]           put the plugin into your own Ikomia (~/Ikomia)"
	@echo "make clean                              remove .venv, .home and caches"

# What the demo needs, and on top of it what everything else needs.
$(VENV)/demo-ready: pyproject.toml infer_p3m_portrait_matting/requirements.txt
	@$(PYTHON) tools/check_python.py $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(RUN) tools/setup_environment.py
	@touch $@

$(VENV)/ready: $(VENV)/demo-ready
	$(RUN) tools/setup_environment.py --all
	@touch $@

# The demo has a home of its own, but its weights are where docs/weights.md says.
demo: $(VENV)/demo-ready
	@mkdir -p .home
	@$(OWN_HOME) $(RUN) tools/link_plugin.py
	@P3M_WEIGHTS_DIR="$${P3M_WEIGHTS_DIR:-$$HOME/.cache/p3m_portrait_matting}" \
		$(OWN_HOME) $(RUN) tools/demo.py --output "$(OUTPUT)" $(if $(PHOTO),"$(PHOTO)")

test: $(VENV)/ready
	@mkdir -p .home
	@$(OWN_HOME) $(RUN) -m pytest

test-fast: $(VENV)/ready
	@mkdir -p .home
	@$(OWN_HOME) $(RUN) -m pytest -m 'not slow'

lint: $(VENV)/ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

bench: $(VENV)/ready
	@mkdir -p .home
	@$(OWN_HOME) $(RUN) -m benchmarks.vs_published

page:
	cd page && npm ci && npm run build

package:
	@$(PYTHON) tools/package_plugin.py

install:
	@$(PYTHON) tools/link_plugin.py

clean:
	rm -rf $(VENV) .home .pytest_cache .ruff_cache .mypy_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
