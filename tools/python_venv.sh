#!/bin/sh
# tools/python_venv.sh [gymnasium]: keeps .tools/python, a virtual environment of Debian's Python with telebridge's
# wheel installed (built by `make -C clients/python wheel`), and prints the path of its python. With `gymnasium`,
# Gymnasium and what it draws with come from PyPI, once; exit status 3 where PyPI cannot be reached.
set -eu
cd "$(dirname "$0")/.."

venv="$PWD/.tools/python"
wheel=$(ls clients/python/dist/telebridge-*.whl)
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@" >&2; }

# numpy is Debian's; everything else of the system's stays out of the way, since nothing else is imported.
[ -x "$venv/bin/python" ] || /usr/bin/python3 -m venv --system-site-packages "$venv"
if ! [ -e "$venv/telebridge-installed" ] || [ "$wheel" -nt "$venv/telebridge-installed" ]; then
  pip install --no-index --no-deps --force-reinstall "$wheel"
  touch "$venv/telebridge-installed"
fi
if [ "${1:-}" = gymnasium ] && ! [ -e "$venv/gymnasium-installed" ]; then
  # The exact versions that were tried with Debian 12's numpy.
  if ! pip install --timeout 10 --retries 1 gymnasium==1.2.0 pygame==2.6.1 2>"$venv/pip.log"; then
    tail -n 3 "$venv/pip.log" >&2
    echo "python_venv.sh: Gymnasium could not be installed; PyPI must be within reach once" >&2
    exit 3
  fi
  touch "$venv/gymnasium-installed"
fi
echo "$venv/bin/python"
