#!/bin/sh
# What the agent does on an NVIDIA GPU: the machine, equality of pictures, conversion and copy against the bus's limit,
# and ten agents at 1920 x 1080 and 30 Hz. Prints tables; ends with 3 where there is no such GPU, having run nothing.
#
# Build first, on this machine or one like it: `make -C native gpu-programs`. Then this file and, from native/build/,
# bench/gpu, telebridge_agent and libtelebridge.so (some 8 MB) are all that a GPU machine needs beside glibc, a shell
# and NVIDIA's driver with its EGL: no compiler, no Deno, no network. libEGL.so.1 and libGLdispatch.so.0 are libglvnd's
# (Debian: libegl1, libglvnd0); where they do not find the driver, __EGL_VENDOR_LIBRARY_FILENAMES names the
# 10_nvidia.json that came with it.
#   bench/gpu.sh [--agents N] [--seconds N]
set -eu
cd "$(dirname "$0")/.."
agents=10 seconds=20
while [ $# -gt 0 ]; do
  case "$1" in
    --agents) agents=$2 && shift 2 ;;
    --seconds) seconds=$2 && shift 2 ;;
    *) echo "bench/gpu.sh: unknown: $1; expected --agents N, --seconds N" >&2 && exit 2 ;;
  esac
done
build=native/build
for program in "$build/bench/gpu" "$build/telebridge_agent" "$build/libtelebridge.so"; do
  if ! [ -e "$program" ]; then
    echo "bench/gpu.sh: $program is missing; build it first: make -C native gpu-programs" >&2
    exit 2
  fi
done

# 3 where there is no GPU. What fails on one keeps nobody from seeing the agents.
status=0
"$build/bench/gpu" || status=$?
[ "$status" -ne 3 ] || exit 3
[ "$status" -eq 0 ] || echo "bench/gpu.sh: $build/bench/gpu ended with $status" >&2

echo
echo "machine: $(uname -sr), $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
nvidia-smi --query-gpu=name,driver_version,pcie.link.gen.current,pcie.link.width.current --format=csv,noheader || true

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
frames=$((seconds * 30))
began=$(date +%s%N)
echo
echo "$agents agents at 1920 x 1080, 30 Hz, for $seconds s:"
number=0
pids=
while [ "$number" -lt "$agents" ]; do
  number=$((number + 1))
  "$build/telebridge_agent" --stdout --width 1920 --height 1080 --fps 30 --frames "$frames" --verbose \
    >"$scratch/$number.h264" 2>"$scratch/$number.log" &
  pids="$pids $!"
done
failed=0
for pid in $pids; do wait "$pid" || failed=$((failed + 1)); done
took_ms=$((($(date +%s%N) - began) / 1000000))
number=0
while [ "$number" -lt "$agents" ]; do
  number=$((number + 1))
  echo "agent $number: $(tail -n 1 "$scratch/$number.log") ($(wc -c <"$scratch/$number.h264") bytes)"
  grep "ms to render" "$scratch/$number.log" | tail -n 1 # of 10 s, so that shorter runs have none
done
sed -n 1p "$scratch/1.log"
echo "all ended after $took_ms ms, of which $((seconds * 1000)) are pictures; $failed failed"
times
[ "$failed" -eq 0 ] && [ "$status" -eq 0 ]
