#!/bin/sh
# Runs the tests of the Python client, the demo and the examples, through the installed wheel:
#   tests/python/run.sh [-k TEXT]    only the tests whose names contain TEXT
# The last line is `N passed, N failed, N skipped`.
set -eu
cd "$(dirname "$0")/../.."

make --silent --no-print-directory -C native/demo
make --silent --no-print-directory -C clients/c
# A library without encoders, and the double of NVIDIA's driver.
make --silent --no-print-directory -C native worker build/nvenc_double/libnvidia-encode.so.1 >/dev/null
make --silent --no-print-directory -C clients/python wheel
python=$(tools/python_venv.sh)
# Where PyPI cannot be reached, the tests that need Gymnasium, or the newest grpcio, skip and say so.
tools/python_venv.sh gymnasium >/dev/null || [ $? = 3 ]
tools/python_venv.sh newest >/dev/null || [ $? = 3 ]

# Gymnasium draws through SDL, which otherwise looks for a screen and a sound card.
export SDL_VIDEODRIVER=dummy SDL_AUDIODRIVER=dummy PYGAME_HIDE_SUPPORT_PROMPT=1 PYTHONDONTWRITEBYTECODE=1
# -P: not even the present folder may stand in for the installed package.
exec "$python" -P tests/python/run.py "$@"
