# Two commands: `make demo` shows AutoStack at work, `make test` checks all of it. Both set up what they need in .venv.
.POSIX:
.PHONY: demo test setup lint types tests wheel images clean

PY = .venv/bin/python

demo: .venv/.autostack
	@$(PY) -m autostack.cli.main up examples/guestbook --yes
	@echo "  (the command is .venv/bin/autostack here; put .venv/bin on your PATH to leave that out)"

test: .venv/.autostack-dev .tools/.installed
	@sh tests/setup.sh
	@sh tests/run.sh

setup: .venv/.autostack-dev

lint: .venv/.autostack-dev
	@sh tests/run.sh lint

types: .venv/.autostack-dev
	@sh tests/run.sh types

tests: .venv/.autostack-dev .tools/.installed
	@sh tests/setup.sh
	@sh tests/run.sh tests

wheel: .venv/.autostack-dev
	@sh tests/run.sh wheel

.venv/.python:
	@sh infrastructure/venv.sh .venv
	@touch .venv/.python

.venv/.autostack: .venv/.python setup.py
	@echo "installing AutoStack into .venv"
	@PYTHONWARNINGS=ignore $(PY) -m pip install -qq --disable-pip-version-check --prefer-binary -e .
	@touch .venv/.autostack

.venv/.autostack-dev: .venv/.python setup.py
	@echo "installing AutoStack and what its tests need into .venv"
	@PYTHONWARNINGS=ignore $(PY) -m pip install -qq --disable-pip-version-check --prefer-binary -e ".[dev]"
	@touch .venv/.autostack .venv/.autostack-dev

.tools/.installed: .venv/.autostack-dev tests/tools.txt tests/install_tools.py
	@$(PY) tests/install_tools.py
	@touch .tools/.installed

# builds and runs what is generated, in stand-ins of the official images: root, buildah and debootstrap, ten minutes
images: .venv/.autostack-dev
	@sh tests/images.sh .tools/images
	@AUTOSTACK_STANDINS=$$PWD/.tools/images $(PY) -m pytest -q tests/e2e/test_images.py

clean:
	rm -rf .venv .tools build dist *.egg-info .mypy_cache .ruff_cache
