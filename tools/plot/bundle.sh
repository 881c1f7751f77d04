#!/bin/sh
# Make draingym/report/live/plot.min.js, and plot.txt with versions and licences of what is in it.
# Needs Node; `sh tools/plot/bundle.sh` after a change of package.json or of entry.js.
set -eu
cd "$(dirname "$0")"
out=../../draingym/report/live
npm ci --silent --no-audit --no-fund
npx esbuild entry.js --bundle --minify --format=iife --global-name=Plot --target=es2022 \
    --legal-comments=none --log-level=warning --metafile=meta.json --outfile="$out/plot.min.js"
node licences.mjs meta.json >"$out/plot.txt"
rm -r meta.json node_modules
