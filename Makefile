# `make demo` and `make test` do all their set-up themselves, in .venv and .home of this folder.

PYTHON ?= python3
PHOTO ?=
OUTPUT ?= output

VENV := .venv
RUN := $(VENV)/bin/python
# A home of its own: Ikomia keeps plugins, settings and a log under ~/Ikomia, and the user's must stay as they are.
OWN_HOME := HOME="$(CURDIR)/.home" QT_QPA_PLATFORM=offscreen

.PHONY: help demo test test-fast lint bench package install clean

help:
	@echo "make demo [PHOTO=path] [OUTPUT=folder]  matte a photo (without PHOTO: an example) into OUTPUT"
	@echo "make test                               run all tests"
	@echo "make test-fast                          run the tests that take no more than a few seconds each"
	@echo "make lint                               check style"
	@echo "make bench                              compare speed with the published procedure"
	@echo "make package                            build dist/infer_p3m_portrait_matting.zip for the Ikomia HUB"
	@echo "make install [PYTHON=python3]           link the plugin into your own Ikomia (~/Ikomia)"
	@echo "make clean                              remove .venv, .home and caches"

$(VENV)/ready: requirements.txt requirements-dev.txt
	@$(PYTHON) tools/check_python.py
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

demo: $(VENV)/ready
	@mkdir -p .home
	@$(OWN_HOME) $(RUN) tools/link_plugin.py
	@$(OWN_HOME) $(RUN) examples/matte_photo.py --output "$(OUTPUT)" $(if $(PHOTO),"$(PHOTO)")

test: $(VENV)/ready
	@mkdir -p .home
	@$(OWN_HOME) $(RUN) -m pytest

test-fast: $(VENV)/ready
	@mkdir -p .home
	@$(OWN_HOME) $(RUN) -m pytest -m 'not slow'

lint: $(VENV)/ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

bench: $(VENV)/ready
	@mkdir -p .home
	@$(OWN_HOME) $(RUN) -m benchmarks.vs_published

package:
	@$(PYTHON) tools/package_plugin.py

install:
	@$(PYTHON) tools/link_plugin.py

clean:
	rm -rf $(VENV) .home .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
