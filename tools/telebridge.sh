#!/bin/sh
# bin/telebridge: runs this clone's telebridge from any folder, also through a symlink.
# `make build` copies it there. Nothing is fetched or locked anew at run time: --cached-only, --frozen.
set -eu
root=$(dirname "$(dirname "$(readlink -f "$0")")")
deno="$root/.tools/deno"
[ -x "$deno" ] || {
  echo "telebridge: $deno is missing; run \`make build\` in $root" >&2
  exit 1
}
export DENO_NO_UPDATE_CHECK=1
# Memory that the native library hands out can only be read with --allow-ffi whole; files, ports and
# commands are the user's to name (--data-dir, --host, the demo); and Deno wants --allow-all for much of
# /proc, where `telebridge run` looks whether it is in the terminal's foreground.
exec "$deno" run --quiet --no-prompt --cached-only --frozen --config "$root/deno.json" --allow-all \
  "$root/main.ts" "$@"
