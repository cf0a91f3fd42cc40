#!/bin/sh
# Packs the C client into clients/c/dist/telebridge-c-VERSION-linux-MACHINE.tar.gz: header, libraries, a pkg-config file,
# the example, licences. Needs native/build/{libtelebridge.so,whole.o,THIRD_PARTY_NOTICES.txt}. Prints its path.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
clone=$(cd "$here/../.." && pwd)
native=$clone/native
version=$(sed -n 's/^const char \*tele_version(void) { return "\(.*\)"; }$/\1/p' "$native/src/layout.c")
name=telebridge-c-$version-linux-$(uname -m)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

root=$scratch/$name
mkdir -p "$root/include" "$root/lib/pkgconfig"
cp "$native/include/telebridge.h" "$root/include/"
strip --strip-unneeded -o "$root/lib/libtelebridge.so" "$native/build/libtelebridge.so"
strip --strip-debug -o "$scratch/telebridge.o" "$native/build/whole.o"
ar rcsD "$root/lib/libtelebridge.a" "$scratch/telebridge.o"
sed "s/@VERSION@/$version/" "$here/telebridge.pc.in" >"$root/lib/pkgconfig/telebridge.pc"
cp "$here/example.c" "$here/README.md" "$clone/LICENSE" "$native/build/THIRD_PARTY_NOTICES.txt" "$root/"

mkdir -p "$here/dist"
rm -f "$here"/dist/telebridge-c-*
tar -C "$scratch" --sort=name --owner=0 --group=0 --numeric-owner -czf "$here/dist/$name.tar.gz" "$name"
echo "$here/dist/$name.tar.gz"
