#!/bin/sh
# tools/python_venv.sh [gymnasium|cleanrl|newest]: keeps .tools/python, a virtual environment of Debian's Python with
# telebridge's wheel installed (built by `make -C clients/python wheel`), and prints the path of its python. With
# `gymnasium`, Gymnasium and what it draws with come from PyPI, once; with `cleanrl` also what CleanRL's scripts write
# metrics and videos with. With `newest` it is .tools/python-newest, whose grpcio and protobuf are PyPI's and years newer
# than Debian's. Exit status 3 where PyPI cannot be reached.
set -eu
cd "$(dirname "$0")/.."

# One at a time: tests that run at the same time ask for the same environment.
mkdir -p .tools
exec 9>.tools/python.lock
flock 9

venv="$PWD/.tools/python"
if [ "${1:-}" = newest ]; then venv="$venv-newest"; fi
wheel=$(ls clients/python/dist/telebridge-*.whl)
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@" >&2; }

# numpy, grpcio and protobuf are Debian's; the rest of the system's stays out of the way, since it is not imported.
[ -x "$venv/bin/python" ] || /usr/bin/python3 -m venv --system-site-packages "$venv"
if ! [ -e "$venv/telebridge-installed" ] || [ "$wheel" -nt "$venv/telebridge-installed" ]; then
  pip install --no-index --no-deps --force-reinstall "$wheel"
  touch "$venv/telebridge-installed"
fi
# Installs these exact versions from PyPI, once: those that were tried with Debian 12's numpy.
from_pypi() {
  if [ -e "$venv/$1-installed" ]; then return; fi
  name=$1
  shift
  if ! pip install --timeout 10 --retries 1 "$@" 2>"$venv/pip.log"; then
    tail -n 3 "$venv/pip.log" >&2
    echo "python_venv.sh: $* could not be installed; PyPI must be within reach once" >&2
    exit 3
  fi
  touch "$venv/$name-installed"
}

case ${1:-} in
  gymnasium) from_pypi gymnasium gymnasium==1.2.0 pygame==2.6.1 ;;
  cleanrl)
    from_pypi gymnasium gymnasium==1.2.0 pygame==2.6.1
    from_pypi cleanrl tensorboardX==2.6.2.2 moviepy==1.0.3
    ;;
  newest) from_pypi grpcio grpcio==1.85.1 protobuf==7.36.2 ;;
esac
echo "$venv/bin/python"
