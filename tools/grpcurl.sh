#!/bin/sh
# tools/grpcurl.sh: keeps .tools/grpcurl, which speaks gRPC by grpc-go, and prints its path. `go install` builds it, once;
# from then on no network is needed. Exit status 3 where there is no Go, or the Go module proxy cannot be reached.
set -eu
cd "$(dirname "$0")/.."

version=1.9.3
seconds_max=240
built=.tools/grpcurl-$version

cannot() {
  echo "grpcurl.sh: $1" >&2
  exit 3
}

if ! [ -x "$built" ]; then
  command -v go >/dev/null || cannot "there is no Go to build grpcurl $version with"
  mkdir -p .tools
  scratch=$(mktemp -d "$PWD/.tools/grpcurl.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  GOBIN=$scratch CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS= timeout "$seconds_max" \
    go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$version" >"$scratch/log" 2>&1 ||
    cannot "grpcurl $version could not be built: $(tail -n 1 "$scratch/log")"
  mv "$scratch/grpcurl" "$built"
fi
echo "$PWD/$built"
