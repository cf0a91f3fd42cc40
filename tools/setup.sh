#!/bin/sh
# Installs what telebridge needs, and nothing twice:
#   tools/setup.sh run      what `make run` needs: Deno, the packages of deno.lock, a C compiler
#   tools/setup.sh python   that, and what builds and runs the Python client
#   tools/setup.sh dist     what `make dist` needs: the first, and what its launcher is linked with
#   tools/setup.sh test     all of that, and what only the tests need: Chromium, sanitizers, GStreamer, Xvfb
#   tools/setup.sh bench    that, and iceoryx and InfluxDB, which the benchmarks are measured beside
# Everything lands in the project (.tools/), in Deno's shared cache, or in Debian's packages.
# With all of it there this takes a tenth of a second and needs no network.
set -eu
cd "$(dirname "$0")/.."

deno_version=2.9.4 # newer ones abort in nghttp2, see docs/architecture.md
packages_run="gcc g++ libc6-dev libyuv-dev libjpeg62-turbo-dev libopenh264-dev libx264-dev libffmpeg-nvenc-dev libsqlite3-dev"
packages_python="python3 python3-grpcio python3-numpy python3-pip python3-protobuf python3-setuptools python3-venv python3-wheel"
packages_test="libegl1 libgl1-mesa-dri libgles-dev chromium ffmpeg clang-14 clang-format-14 libclang-rt-14-dev git iproute2 pkgconf sqlite3"
packages_sources="gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly gstreamer1.0-tools x11-xserver-utils xvfb"
packages_dist="libssl-dev libzstd-dev"
packages_bench="iceoryx libiceoryx-binding-c-dev influxdb"

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  for line in "$@"; do say "$line"; done
  exit 1
}

# Links .tools/deno to the pinned Deno, if one is on PATH or was installed here before.
link_deno() {
  for candidate in "$(command -v deno || true)" "$PWD"/.tools/node_modules/@deno/linux-*-glibc/deno; do
    [ -x "$candidate" ] || continue
    case $("$candidate" --version 2>/dev/null) in
      "deno $deno_version "*) ;;
      *) continue ;;
    esac
    mkdir -p .tools
    [ "$(readlink .tools/deno)" = "$candidate" ] || ln -sfn "$candidate" .tools/deno
    return 0
  done
  return 1
}

# npm's own install script is skipped: newer npm versions do not run it, and it is the platform's
# package, an optional dependency of `deno`, that holds the binary.
install_deno() {
  say "installing: deno $deno_version (npm, into .tools/)"
  npm install --prefix .tools --prefer-offline --ignore-scripts --no-audit --no-fund \
    --loglevel=error "deno@$deno_version" >/dev/null ||
    fail "npm could not install deno@$deno_version, for the reason above." \
      "The npm registry must be within reach once; after that no network is needed."
  link_deno || fail "npm installed deno@$deno_version, but it does not run on $(uname -sm):" \
    "telebridge runs on x86_64 and aarch64 Linux with glibc."
}

# Prints those of the named Debian packages that are not installed.
missing_packages() {
  # shellcheck disable=SC2016  # dpkg-query expands ${...} itself
  installed=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' "$@" 2>/dev/null || true)"
  for package in "$@"; do
    case $installed in
      *" $package=installed "*) ;;
      *) printf ' %s' "$package" ;;
    esac
  done
}

install_packages() {
  [ $# -gt 0 ] || return 0
  apt_update="apt-get update"
  apt_install="apt-get install -y --no-install-recommends $*"
  if [ "$(id -u)" = 0 ]; then
    as_root=""
  elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
  else
    become_root="su - -c"
    if command -v sudo >/dev/null; then become_root="sudo sh -c"; fi
    say "Debian packages are missing. Install them with this one command, then run make again:"
    printf '%s\n' "$become_root '$apt_update && $apt_install'" >&2
    exit 1
  fi
  say "installing: $* (apt)"
  mkdir -p .tools
  for step in "$apt_update" "$apt_install"; do
    # A machine that has just started may still be upgrading itself: wait for its lock.
    # shellcheck disable=SC2086  # words, not one argument
    $as_root env DEBIAN_FRONTEND=noninteractive $step -q -o DPkg::Lock::Timeout=300 \
      </dev/null >.tools/apt.log 2>&1 || {
      tail -n 5 .tools/apt.log >&2
      fail "\`$step\` failed, for the reason above (all of it: .tools/apt.log)." \
        "Debian's packages must be within reach once; after that no network is needed."
    }
  done
}

case ${1:-run} in
  run) packages=$packages_run ;;
  python) packages="$packages_run $packages_python" ;;
  dist) packages="$packages_run $packages_dist" ;;
  test) packages="$packages_run $packages_python $packages_dist $packages_test $packages_sources" ;;
  bench) packages="$packages_run $packages_python $packages_dist $packages_test $packages_sources $packages_bench" ;;
  *) fail "unknown level \"$1\": say run, python, dist, test or bench" ;;
esac

deno_found=yes
link_deno || deno_found=no
if [ $deno_found = no ] && ! command -v npm >/dev/null; then packages="$packages npm"; fi
if command -v dpkg-query >/dev/null; then
  # shellcheck disable=SC2046,SC2086  # words, not one argument
  install_packages $(missing_packages $packages)
else
  say "this is not Debian: nothing is installed by itself. Needed (Debian's names):" "$packages"
fi
[ $deno_found = yes ] || install_deno

.tools/deno install --frozen --quiet ||
  fail "the packages of deno.lock could not be installed, for the reason above." \
    "The npm registry must be within reach once; after that no network is needed."
