"""Runs the tests beside this file and counts them. run.sh calls it, in the virtual environment with the wheel."""

import argparse
import contextlib
import faulthandler
import io
import os
import pathlib
import shutil
import sys
import tempfile
import time
import unittest

import telebridge
from telebridge._lane import _open_lanes, end_all

HERE = pathlib.Path(__file__).resolve().parent
# A bound against hangs: then every thread's stack is printed, and the run ends.
HANG_S = 400
SENDERS_END_S = 30


def end_senders() -> None:
    """Ends the runs that tests left open, and waits until no process of theirs is left."""
    with contextlib.redirect_stderr(io.StringIO()):  # nothing of it was to be stored
        end_all()
        give_up_s = time.monotonic() + SENDERS_END_S
        while _open_lanes and time.monotonic() < give_up_s:
            time.sleep(0.01)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", metavar="TEXT", action="append", help="only tests whose names contain TEXT")
    options = parser.parse_args()
    package = pathlib.Path(telebridge.__file__).parent
    if HERE.parents[1] in package.parents and "site-packages" not in package.parts:
        raise SystemExit(f"telebridge is {package}, not the installed wheel")

    # No server, and no spool, of the person's who runs the tests.
    scratch = tempfile.mkdtemp(prefix="telebridge-python-")
    for variable in ("TELEBRIDGE_URL", "TELEBRIDGE_TOKEN", "TELEBRIDGE_RUN"):
        os.environ.pop(variable, None)
    os.environ["TELEBRIDGE_DATA_DIR"] = f"{scratch}/data"
    os.environ["TELEBRIDGE_SPOOL_DIR"] = f"{scratch}/spool"

    faulthandler.dump_traceback_later(HANG_S, exit=True)
    sys.path.insert(0, str(HERE))
    loader = unittest.TestLoader()
    if options.k:
        loader.testNamePatterns = [f"*{text}*" for text in options.k]
    result = unittest.TextTestRunner(sys.stdout, verbosity=2).run(loader.discover(str(HERE)))
    end_senders()
    shutil.rmtree(scratch, ignore_errors=True)
    for test, reason in result.skipped:
        print(f"SKIP: {test}: {reason}")
    broken = {test.id().split(" ")[0] for test, _ in result.failures + result.errors}
    passed = result.testsRun - len(broken) - len(result.skipped)
    print(f"{passed} passed, {len(broken)} failed, {len(result.skipped)} skipped")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
