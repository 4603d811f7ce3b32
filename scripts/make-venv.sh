#!/bin/sh
# Creates the virtual environment named by $1 with the first Python >= 3.11 that has venv; says what is wrong otherwise.
# $PYTHON, when set, is the only one tried.
set -eu

venv=$1
tried=""
for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    command -v "$python" >/dev/null 2>&1 || { tried="$tried $python (not found)"; continue; }
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || { tried="$tried $python (does not run)"; continue; }
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { tried="$tried $python ($version)"; continue; }
    "$python" -c 'import venv, ensurepip' 2>/dev/null || { tried="$tried $python ($version, without venv)"; continue; }
    "$python" -m venv "$venv"
    exit 0
done

cat >&2 <<MESSAGE
Pickaxe needs Python 3.11 or newer with the venv module.
  tried:$tried
  what to do: Debian/Ubuntu: apt install python3-venv   macOS: install Python 3.11 or newer from python.org or a package manager
              or name another one: make setup PYTHON=/path/to/python3.12
MESSAGE
exit 1
