#!/bin/sh
# Makes a virtual environment with the newest suitable Python, or says in one line what is missing.
set -u
where=$1

for python in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
	if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
		found=$python
		break
	fi
done
if [ -z "${found:-}" ]; then
	echo "AutoStack needs Python 3.11 or newer; install it (Debian: apt install python3 python3-venv) or set PYTHON=/path/to/python3" >&2
	exit 1
fi
if ! "$found" -c 'import ensurepip, venv' 2>/dev/null; then
	version=$("$found" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
	echo "$found has no venv module; install it (Debian: apt install $version) and run make again" >&2
	exit 1
fi
"$found" -m venv "$where"
