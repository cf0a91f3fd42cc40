#!/bin/sh
# tools/go_tool.sh NAME: keeps .tools/NAME-VERSION, a program of other people that tests talk with, and prints its path. Go
# builds it, once; from then on no network is needed. Exit status 3 where there is no Go, or the Go module proxy cannot be
# reached.
#   grpcurl  speaks gRPC by grpc-go
#   go2rtc   serves video that it reads from programs, by WebRTC, RTSP, MP4
set -eu
cd "$(dirname "$0")/.."

name=${1:-}
case $name in
  grpcurl) version=1.9.3 module=github.com/fullstorydev/grpcurl package=cmd/grpcurl ;;
  go2rtc) version=1.9.13 module=github.com/AlexxIT/go2rtc package= ;;
  *)
    echo "usage: tools/go_tool.sh grpcurl|go2rtc" >&2
    exit 2
    ;;
esac
seconds_max=240
built=.tools/$name-$version

cannot() {
  echo "go_tool.sh: $1" >&2
  exit 3
}

if ! [ -x "$built" ]; then
  command -v go >/dev/null || cannot "there is no Go to build $name $version with"
  mkdir -p .tools
  scratch=$(mktemp -d "$PWD/.tools/$name.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  # By a module of our own and not by `go install PATH@VERSION`, which also asks for the list of all versions: a proxy may
  # have the one version and not the list.
  printf 'module telebridge/tool\nrequire %s v%s\n' "$module" "$version" >"$scratch/go.mod"
  (cd "$scratch" && CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-mod=mod timeout "$seconds_max" \
    go build -o "$name" "$module${package:+/$package}") >"$scratch/log" 2>&1 ||
    cannot "$name $version could not be built: $(tail -n 1 "$scratch/log")"
  mv "$scratch/$name" "$built"
fi
echo "$PWD/$built"
