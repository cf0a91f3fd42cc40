"""What the tests share: run ids of their own, patient waiting, children that end with the test."""

from __future__ import annotations

import itertools
import os
import pathlib
import subprocess
import sys
import threading
import time
import unittest
import warnings
from typing import Any, Callable, List, Optional

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
# A bound against hangs; nothing that is waited for takes a tenth of it.
PATIENCE_S = 30.0

_numbers = itertools.count(1)


def unique_run_id() -> str:
    return f"test-python-{os.getpid()}-{next(_numbers)}"


def wait_for(what: str, condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Waits until `condition` gives something true, and returns that."""
    give_up_s = time.monotonic() + patience_s
    while time.monotonic() < give_up_s:
        result = condition()
        if result:
            return result
        time.sleep(0.002)
    raise AssertionError(f"{what}: not within {patience_s:g} s")


class RunTest(unittest.TestCase):
    """Every warning is an error, so that none is printed over a user's training unnoticed."""

    def setUp(self) -> None:
        self.run_id = unique_run_id()
        catcher = warnings.catch_warnings()
        catcher.__enter__()
        self.addCleanup(catcher.__exit__, None, None, None)
        warnings.simplefilter("error")

    def in_thread(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.addCleanup(thread.join, PATIENCE_S)
        return thread

    def start(self, command: List[Any], env: Optional[dict] = None, **options: Any) -> subprocess.Popen:
        """Starts a process that ends with the test at the latest."""
        words = [str(word) for word in command]
        child = subprocess.Popen(words, env={**os.environ, **(env or {})}, text=True, **options)

        def end() -> None:
            child.terminate()  # leaves its shared memory in order, where it can
            try:
                child.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()

        self.addCleanup(end)
        return child

    def start_python(self, code: str, **options: Any) -> subprocess.Popen:
        return self.start([sys.executable, "-c", code], cwd=HERE, **options)

    def start_python_with(self, code: str, *arguments: object, **options: Any) -> subprocess.Popen:
        """The same with arguments, and its output in a pipe."""
        return self.start([sys.executable, "-c", code, *arguments], cwd=HERE, stdout=subprocess.PIPE, **options)
