#!/bin/sh
# Ask PyPI's advisories whether a version that requirements/ fixes has a known hole.
#
#   tools/audit.sh [--may-skip] FOLDER    pip-audit is in the environment FOLDER
#
# Ends with 0 where none has, with 1 where one has or cannot be looked up, and with 75 where nobody can be
# asked, so that nothing was audited; --may-skip makes a 0 of that, for machines without a network.
set -eu

skip=75
if [ "${1-}" = --may-skip ]; then
    skip=0
    shift
fi
if [ $# -ne 1 ]; then
    echo "usage: tools/audit.sh [--may-skip] FOLDER" >&2
    exit 2
fi
bin=$1/bin

# A mirror of the packages answers as PyPI does, but for the advisories.
if ! why=$("$bin/python" -c '
import requests
answer = requests.get("https://pypi.org/pypi/jinja2/3.1.2/json", timeout=20)
answer.raise_for_status()
if not answer.json().get("vulnerabilities"):
    raise SystemExit("it knows no hole of jinja2 3.1.2, which has some")
' 2>&1); then
    echo "audit: pypi.org cannot be asked for advisories, nothing was audited: $(echo "$why" | tail -n 1)" >&2
    exit $skip
fi

found=0
for file in requirements/*.txt; do
    case $file in
    # The lowest versions that work: an installer takes newer ones, unless it is told otherwise.
    requirements/oldest.txt) continue ;;
    # What is not fixed, and the PyTorch of clients.txt; and what audits.
    requirements/gpu.txt | requirements/audit.txt) continue ;;
    esac
    echo "=== $file"
    "$bin/pip-audit" --strict --disable-pip --no-deps --progress-spinner off -r "$file" || found=1
done
exit $found
