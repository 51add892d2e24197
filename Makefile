# make train   train the default model (VSC on Smiley); other models: make train ARGS="--config mnist_vsc"
# make test    the whole test suite;                    a part of it: make test ARGS="tests/losses -x"
# make lint    formatting, lint, types and the import contract of the rooms
# make docs    build the documentation strictly into build/site, readable without a network
# make dist    build the source distribution and the wheel for a release, and check them
# make wheel   the same, and test the wheel installed apart from the checkout
# make fuzz    throw damaged files, wrong options and kills at the library (python -m tools.… have long forms)
# make audit   look the requirements up in the public advisories of vulnerabilities
# make pins    renew requirements*.txt: the newest versions for each Python, and the oldest that setup.cfg allows
# make notebooks     write the first cell of all notebooks, and the notebooks from their scripts
#                    (python -m tools.rendered NAME: run one, and write its page in the documentation)
# make test-oldest   the suite with the oldest versions that setup.cfg allows
# make test-colab    the wheel installed among Colab's versions, as the notebooks' first cell does it
# make clean   remove the environments and everything built; runs are kept
#
# Each makes the environment .venv by itself, with nothing but the machine's python3, and keeps it up to date.
# Another Python has an environment of its own: make PYTHON=python3.13 test makes .venv-python3.13.

PYTHON ?= python3
ARGS ?=
VENV := $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
# Old versions warn of newer ones beside them; JAX 0.8 takes Equinox's use of keys for a reuse.
OLDEST := -W default::pyparsing.warnings.PyparsingDeprecationWarning \
	--deselect "tests/contrib/test_losses_elsewhere.py::test_the_loop_learns[equinox]"
# A Python that is not on the path is looked for among those of pyenv.
PYENV := $(shell ls -d "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/*/bin/$(notdir $(PYTHON)) 2>/dev/null | sort -rV)
FOUND := $(shell for python in $(PYTHON) $(PYENV); do \
	"$$python" -c '' 2>/dev/null && echo "$$python" && break; done)
# Python compiles what it imports; to compile all there is takes most of an installation's time.
INSTALL := -m pip -qq --disable-pip-version-check --no-input install --no-compile

.PHONY: ready-to-test train test test-oldest test-colab lint fuzz docs wheel dist audit pins notebooks python found clean

train: $(VENV)/ready
	$(BIN)/python -m vsc_jax.train $(ARGS)

ready-to-test: $(VENV)/ready-to-test

test: $(VENV)/ready-to-test
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: $(VENV)/ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

fuzz: $(VENV)/ready-to-test
	$(BIN)/python -m tools.inputs --cases 120 --trained 8
	$(BIN)/python -m tools.files --cases 15
	$(BIN)/python -m tools.kills --runs ae-stream --kills 2

docs: $(VENV)/ready-to-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs --quiet build --strict
	@echo "built: build/site/index.html"

wheel: dist
	rm -rf build/installed build/tests
	$(BIN)/python $(INSTALL) --no-deps --target build/installed dist/*.whl
	cp -r tests build/tests
	cd build && PYTHONPATH=installed ../$(BIN)/python -m pytest -q -c /dev/null --import-mode=importlib -p no:cacheprovider \
		tests/test_presets.py::test_full_size_can_be_built_and_traced tests/test_wheel.py

# Two builds of one tree at once would write the same vsc_jax.egg-info.
dist: $(VENV)/ready-to-test | $(filter .venv-oldest/ready,$(MAKECMDGOALS))
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

audit:
	PYTHON="$(FOUND)" .ci/audit

pins: .venv-uv/ready
	.ci/pins

notebooks: $(VENV)/ready-to-test
	$(BIN)/python .ci/notebooks.py

test-oldest: .venv-oldest/ready
	.venv-oldest/bin/python -m pytest -n 2 --dist worksteal -W default::DeprecationWarning $(OLDEST) $(ARGS)

test-colab: dist .venv-uv/ready
	.ci/colab

clean:
	rm -rf .venv .venv-* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@test -n "$(FOUND)" || { echo "error: no Python called $(PYTHON) here" >&2; exit 1; }
	@"$(FOUND)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: vsc_jax needs Python 3.11 or newer, and $(PYTHON) is $$("$(FOUND)" --version 2>&1);" \
			"name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }

found: python
	@echo "$(FOUND)"

$(VENV)/ready: requirements.txt setup.cfg pyproject.toml | python
	@echo "Installing into $(VENV); the first time this takes some minutes."
	"$(FOUND)" -m venv $(VENV)
	$(BIN)/python $(INSTALL) -r requirements.txt -e .
	touch $@

$(VENV)/ready-to-test: requirements-test.txt requirements.txt setup.cfg pyproject.toml | python
	@echo "Installing into $(VENV); the first time this takes some minutes."
	"$(FOUND)" -m venv $(VENV)
	$(BIN)/python $(INSTALL) -r requirements-test.txt -e '.[test,lint,docs]'
	touch $(VENV)/ready $@

.venv-uv/ready: | python
	"$(FOUND)" -m venv .venv-uv
	.venv-uv/bin/python $(INSTALL) 'uv>=0.9'
	touch $@

# On the machine's python3, whatever PYTHON is: the oldest Python has the oldest versions.
.venv-oldest/ready: requirements-oldest.txt setup.cfg
	python3 -m venv .venv-oldest
	.venv-oldest/bin/python $(INSTALL) -c requirements-oldest.txt -e '.[test]'
	touch $@
