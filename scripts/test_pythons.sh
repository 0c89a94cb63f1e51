#!/bin/sh
# The quick tests under each of several Pythons, each with an environment of its own; says at the end which were not there.
#
#     scripts/test_pythons.sh MAKE PYTHON…
#
# In: how make is called, names such as python3.12.  Out: status 1 as soon as tests of one fail.
set -eu

make=$1
shift
tested="" absent=""
for python in "$@"; do
    release=${python#python}
    # Where pyenv has it and does not show it, it is asked.
    found=$(command -v "$python" || true)
    if [ -z "$found" ] || ! "$found" -c "" 2>/dev/null; then
        found=$(pyenv prefix "$release" 2>/dev/null || true)/bin/$python
    fi
    if [ ! -x "$found" ] || ! "$found" -c "" 2>/dev/null; then
        absent="$absent $python"
        continue
    fi
    echo "== $python: $found"
    "$make" --no-print-directory test PYTHON="$found" VENV=".venv-$release"
    tested="$tested $python"
done
echo "tested under:${tested:- none}; not here:${absent:- none}"
