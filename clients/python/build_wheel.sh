#!/bin/sh
# Builds the wheel into clients/python/dist with Debian's Python, pip, setuptools and wheel, without a network.
# Needs native/build/libtelebridge.so and dist/telebridge.binpb. Prints the wheel's path.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A copy, since setuptools leaves its build tree beside the sources and would pack what an older one left there.
mkdir "$scratch/source"
cp -R "$here/src" "$here/pyproject.toml" "$here/setup.py" "$here/README.md" "$scratch/source/"
library=${TELEBRIDGE_LIBRARY:-$here/../../native/build/libtelebridge.so}
if ! [ -e "$library" ]; then
  echo "build_wheel.sh: $library is missing; build it first: make -C native" >&2
  exit 1
fi
descriptors=${TELEBRIDGE_DESCRIPTORS:-$here/../../dist/telebridge.binpb}
if ! [ -e "$descriptors" ]; then
  echo "build_wheel.sh: $descriptors is missing; build it first: make protos" >&2
  exit 1
fi
mkdir -p "$here/dist"
TELEBRIDGE_DESCRIPTORS=$(realpath "$descriptors")
export TELEBRIDGE_DESCRIPTORS
TELEBRIDGE_LIBRARY=$(realpath "$library") "$python" -m pip wheel --quiet --disable-pip-version-check \
  --no-build-isolation --no-deps --no-index --wheel-dir "$scratch/dist" "$scratch/source" >&2
rm -f "$here"/dist/telebridge-*.whl
mv "$scratch"/dist/telebridge-*.whl "$here/dist/"
ls "$here"/dist/telebridge-*.whl
