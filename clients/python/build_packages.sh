#!/bin/sh
# Builds the wheel and the source distribution into clients/python/dist with Debian's Python, pip, setuptools and wheel,
# without a network. Needs what `make build` leaves, and native/build/THIRD_PARTY_NOTICES.txt. Prints their paths.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
clone=$(cd "$here/../.." && pwd)
python=${PYTHON:-/usr/bin/python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# $1, or a complaint that says how it is made.
needed() {
  if [ -e "$1" ]; then return; fi
  echo "build_packages.sh: $1 is missing; build it first: make $2" >&2
  exit 1
}
library=$clone/native/build/libtelebridge.so
descriptors=$clone/dist/telebridge.binpb
notices=$clone/native/build/THIRD_PARTY_NOTICES.txt
needed "$library" native
needed "$descriptors" protos
needed "$notices" wheel

# Both are built from a copy, since setuptools leaves its build tree beside the sources and would pack what an older one
# left there.
stage=$scratch/source
mkdir -p "$stage/native"
cd "$here"
cp -R src pyproject.toml setup.py MANIFEST.in README.md "$stage/"
find "$stage" -name __pycache__ -prune -exec rm -rf {} +
cp "$clone/LICENSE" "$stage/"
cp "$descriptors" "$stage/src/telebridge/telebridge.binpb"
cp -R "$clone/native/Makefile" "$clone/native/telebridge.map" "$clone/native/include" "$clone/native/src" \
  "$stage/native/"
mkdir "$scratch/dist"
(cd "$stage" && "$python" -c 'import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])' \
  "$scratch/dist" >"$scratch/log" 2>&1) || { cat "$scratch/log" >&2 && exit 1; }

# The wheel carries the library with all its codecs, and so what their licences ask for.
cp "$notices" "$stage/"
strip --strip-unneeded -o "$scratch/libtelebridge.so" "$library"
TELEBRIDGE_LIBRARY=$scratch/libtelebridge.so "$python" -m pip wheel --quiet --disable-pip-version-check \
  --no-build-isolation --no-deps --no-index --wheel-dir "$scratch/dist" "$stage" >&2

mkdir -p dist
rm -f dist/telebridge-*
mv "$scratch"/dist/telebridge-* dist/
ls "$here"/dist/telebridge-*
