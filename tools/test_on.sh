#!/bin/sh
# Run tests on one version of Python in an environment of its own.
#
#   tools/test_on.sh VERSIONS EXTRA FOLDER ARGUMENTS-OF-PYTEST
#
# VERSIONS are one or more with commas between them, "3.14,3.13": the first that this machine has is
# taken, and those before it are named. Where it has none, which is no fault of the code, it says so
# and passes. It looks for python3.13 (say), for python3 of that version, and for what pyenv keeps.
set -eu

versions=$1
extra=$2
venv=$3
shift 3

fits() {
    [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$2" ]
}

python=
for version in $(echo "$versions" | tr , ' '); do
    for candidate in "python$version" python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version"*/bin/python; do
        if fits "$candidate" "$version"; then
            python=$candidate
            break 2
        fi
    done
    echo "Python $version is not on this machine: its tests are left to a machine that has it."
done
if [ -z "$python" ]; then
    exit 0
fi

echo "Testing on Python $version."
PYTHON=$python sh tools/install.sh "$extra" "$venv"
exec "$venv/bin/python" -m pytest "$@"
