#!/bin/sh
# Make a virtual environment and install draingym into it (editable) with what one extra needs.
#
#   tools/install.sh EXTRA FOLDER            the versions of uv.lock, by way of requirements/EXTRA.txt
#   tools/install.sh --newest EXTRA FOLDER   the newest version of everything
#   tools/install.sh --with FILE ...         also what a requirements file lists
#   tools/install.sh --alone FILE ...        also that, but not what it asks for
#   tools/install.sh --wheel FILE ...        draingym from a wheel, not editable
#
# PYTHON selects the interpreter. Without it an environment that works is kept, and a new one is made
# with the newest of python3.14, 3.13, 3.12, 3.11 and python3 that fits. uv is used where it is
# there and pip otherwise; both install the same files.
set -eu

newest=no
with=
alone=
wheel=
while :; do
    case ${1-} in
    --newest) newest=yes ;;
    --with) with=${2-} && shift ;;
    --alone) alone=${2-} && shift ;;
    --wheel) wheel=${2-} && shift ;;
    *) break ;;
    esac
    shift
done
if [ $# -ne 2 ]; then
    echo "usage: tools/install.sh [--newest] [--with FILE] [--alone FILE] [--wheel FILE] EXTRA FOLDER" >&2
    exit 2
fi
extra=$1
venv=$2
wanted=${PYTHON:-}
unset VIRTUAL_ENV PYTHONHOME PYTHONPATH

version() { # of an interpreter, "3.12"; empty if it does not run
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

supported() {
    case $(version "$1") in 3.11 | 3.12 | 3.13 | 3.14) true ;; *) false ;; esac
}

if uv --version >/dev/null 2>&1; then uv=yes; else uv=no; fi

makes_environments() { # Debian's python3 has no ensurepip before python3-venv is installed
    [ $uv = yes ] || "$1" -c 'import ensurepip, venv' 2>/dev/null
}

if [ -n "$wanted" ]; then
    if ! supported "$wanted"; then
        found=$(version "$wanted")
        echo "PYTHON=$wanted is ${found:-no interpreter that runs}; draingym needs Python >= 3.11, < 3.15." >&2
        exit 1
    fi
else
    for candidate in python3.14 python3.13 python3.12 python3.11 python3; do
        if supported "$candidate" && makes_environments "$candidate"; then
            wanted=$candidate
            break
        fi
    done
fi

# An environment that is broken, or of another version than the one asked for, is made again.
if [ -e "$venv" ]; then
    if ! supported "$venv/bin/python"; then
        echo "$venv has no working Python of a version that draingym supports: making it again."
        rm -rf "$venv"
    elif [ -n "${PYTHON:-}" ] && [ "$(version "$PYTHON")" != "$(version "$venv/bin/python")" ]; then
        echo "$venv has Python $(version "$venv/bin/python"), not $(version "$PYTHON"): making it again."
        rm -rf "$venv"
    fi
fi

if [ ! -e "$venv" ]; then
    if [ -z "$wanted" ]; then
        echo "No Python >= 3.11, < 3.15 with venv and ensurepip found: install one (on Debian also python3-venv)," >&2
        echo "or name it, as in: make PYTHON=/path/to/python3.12 test" >&2
        exit 1
    fi
    if [ $uv = yes ]; then
        uv venv --quiet --python "$(command -v "$wanted")" "$venv"
    else
        "$wanted" -m venv "$venv"
    fi
fi

python=$venv/bin/python
if [ $uv = no ] && ! "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m ensurepip >/dev/null
fi

install() {
    if [ $uv = yes ]; then
        uv pip install --quiet --python "$python" "$@"
    else
        # What is imported is compiled when it is; to compile all of it here takes half of the time.
        "$python" -m pip install --no-compile --quiet --no-input --disable-pip-version-check "$@"
    fi
}

if [ $newest = yes ]; then
    echo "Installing draingym and the newest version of everything that [$extra] needs into $venv ..."
    if [ $uv = yes ]; then
        install --upgrade --editable ".[$extra]"
    else
        install --upgrade --upgrade-strategy eager --editable ".[$extra]"
    fi
else
    echo "Installing draingym[$extra] into $venv (the first time takes a minute or two) ..."
    install --no-deps --require-hashes --requirement "requirements/$extra.txt"
    if [ -n "$with" ]; then install --requirement "$with"; fi
    if [ -n "$alone" ]; then install --no-deps --requirement "$alone"; fi
    if [ -n "$wheel" ]; then install --no-deps "$wheel"; else install --no-deps --editable .; fi
fi
