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
# The native library is the only code loaded from outside; files, ports and commands are the user's
# to name (--data-dir, --host, the configuration's agents), so these are not narrowed here.
exec "$deno" run --quiet --no-prompt --cached-only --frozen --config "$root/deno.json" \
  --allow-ffi="$root/native/build" --allow-read --allow-write --allow-env --allow-net \
  --allow-run --allow-sys "$root/main.ts" "$@"
