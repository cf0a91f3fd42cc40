#!/bin/sh
# Formats the C sources as .clang-format says: tools/format_c.sh [--check]. With --check it only names what differs.
set -eu
cd "$(dirname "$0")/.."
how=-i
if [ "${1:-}" = --check ]; then how="--dry-run --Werror"; fi
# shellcheck disable=SC2086  # words, not one argument
find native bench tests clients examples -name build -prune -o -name '*.[ch]' -print0 | xargs -0 clang-format-14 $how
