# make train   train the default model (VSC on Smiley); other models: make train ARGS="--config mnist_vsc"
# make test    the whole test suite;                    a part of it: make test ARGS="tests/losses -x"
# make lint    formatting, lint, types and the import contract of the rooms
# make docs    build the documentation strictly into build/site, readable without a network
# make wheel   build the wheel, and test it installed apart from the checkout
# make dist    build the source distribution and the wheel for a release, and check them
# make audit   look the requirements up in the public advisories of vulnerabilities
# make test-oldest   the suite with the oldest JAX, Flax, Optax and Orbax that setup.cfg allows
# make clean   remove the environment and everything built; runs are kept
#
# Each makes the environment .venv by itself, with nothing but the machine's python3, and keeps it up to date.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input

.PHONY: train test test-oldest lint docs wheel dist audit clean

train: .venv/ready
	$(BIN)/python -m vsc_jax.train $(ARGS)

test: .venv/ready-to-test
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: .venv/ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: .venv/ready-to-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs --quiet build --strict
	@echo "built: build/site/index.html"

wheel: .venv/ready-to-test
	rm -rf build
	$(PIP) wheel --no-deps --wheel-dir build/wheel .
	$(PIP) install --no-deps --target build/installed build/wheel/*.whl
	cp -r tests build/tests
	cd build && PYTHONPATH=installed ../$(BIN)/python -m pytest -q -c /dev/null --import-mode=importlib -p no:cacheprovider \
		tests/test_presets.py tests/test_wheel.py tests/losses/test_likelihood.py

dist: .venv/ready-to-test
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

audit:
	PYTHON=$(PYTHON) .ci/audit

test-oldest: .venv-oldest/ready
	.venv-oldest/bin/python -m pytest -n 2 --dist worksteal -W default::DeprecationWarning $(ARGS)

clean:
	rm -rf .venv .venv-oldest build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready: requirements.txt setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: vsc_jax needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
			"name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Installing into .venv; the first time this takes some minutes."
	$(PYTHON) -m venv .venv
	$(PIP) install -r requirements.txt -e .
	touch $@

.venv/ready-to-test: .venv/ready requirements-test.txt
	$(PIP) install -r requirements-test.txt -e '.[test,lint,docs]'
	touch $@

.venv-oldest/ready: requirements-oldest.txt setup.cfg
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip -qq --disable-pip-version-check --no-input install \
		-c requirements-oldest.txt -e '.[test]'
	touch $@
