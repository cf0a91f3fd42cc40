#!/bin/sh
# tools/go2rtc.sh: keeps .tools/go2rtc-VERSION, which serves streams to browsers and cameras' friends, and prints its path.
# Go builds it, once; from then on no network is needed. Exit status 3 where there is no Go, or the Go module proxy cannot
# be reached.
set -eu
cd "$(dirname "$0")/.."

version=1.9.13
seconds_max=240
built=.tools/go2rtc-$version

cannot() {
  echo "go2rtc.sh: $1" >&2
  exit 3
}

if ! [ -x "$built" ]; then
  command -v go >/dev/null || cannot "there is no Go to build go2rtc $version with"
  mkdir -p .tools
  scratch=$(mktemp -d "$PWD/.tools/go2rtc.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  # By a module of our own and not by `go install PATH@VERSION`, which also asks for a list of all versions: not every
  # proxy has that for every module.
  printf 'module telebridge/go2rtc\nrequire github.com/AlexxIT/go2rtc v%s\n' "$version" >"$scratch/go.mod"
  (cd "$scratch" && CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-mod=mod timeout "$seconds_max" \
    go build -o go2rtc github.com/AlexxIT/go2rtc) >"$scratch/log" 2>&1 ||
    cannot "go2rtc $version could not be built: $(tail -n 1 "$scratch/log")"
  mv "$scratch/go2rtc" "$built"
fi
echo "$PWD/$built"
