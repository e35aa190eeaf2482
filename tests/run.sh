#!/bin/sh
# Lint, types, layers, tests: all of them, or the one that is named. Called by make, from the top of the checkout.
set -eu
py=.venv/bin/python
part=${1:-all}

lint() {
	$py -m ruff format --check .
	$py -m ruff check .
	.venv/bin/lint-imports --no-cache
}

types() {
	$py -m mypy
}

tests() {
	$py -m pytest -n 2 --dist loadfile -q
}

# the built wheel in an empty environment outside the checkout, and on another Python where there is one
wheel() {
	$py tests/smoke_wheel.py
}

case $part in
all)
	lint
	types
	tests
	wheel
	;;
*) "$part" ;;
esac
