#!/bin/sh
# Run tests on one version of Python in an environment of its own.
#
#   tools/test_on.sh VERSION EXTRA FOLDER ARGUMENTS-OF-PYTEST
#
# Where that version is not there, which is no fault of the code, it says so and passes. It looks for
# python3.13 (say), for python3 of that version, and for what pyenv keeps.
set -eu

version=$1
extra=$2
venv=$3
shift 3

fits() {
    [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]
}

python=
for candidate in "python$version" python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version"*/bin/python; do
    if fits "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Python $version is not on this machine: its tests are left to a machine that has it."
    exit 0
fi

PYTHON=$python sh tools/install.sh "$extra" "$venv"
exec "$venv/bin/python" -m pytest "$@"
