"""``python -m telebridge``: says what is installed, and whether a picture gets through shared memory here."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import time

import numpy as np

from . import __version__, init
from ._library import TelebridgeError, library

PICTURES = 2000


def main() -> int:
    try:
        loaded = library()
    except TelebridgeError as error:
        print(f"telebridge {__version__}: {error}", file=sys.stderr)
        return 1
    print(f"telebridge {__version__}, library {loaded.version} ({loaded.path})")
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.platform()}")
    directory = ctypes.create_string_buffer(4096)
    if loaded.quick.tele_runtime_dir(directory, len(directory)) < 0:
        print(f"no directory for sockets: {loaded.quick.tele_error_message().decode()}", file=sys.stderr)
        return 1
    print(f"sockets are in {directory.value.decode()}")
    space = os.statvfs("/dev/shm")
    print(f"/dev/shm has {space.f_bavail * space.f_frsize / 2**20:,.0f} MiB free")
    try:
        with init(f"self-test-{os.getpid()}") as run:
            picture = np.zeros((160, 160, 3), np.uint8)
            run.frame(picture, reward=0.0)
            began_s = time.perf_counter()
            for _ in range(PICTURES):
                run.frame(picture, reward=0.0)
            took_us = (time.perf_counter() - began_s) / PICTURES * 1e6
            lost = run.frames_lost
    except TelebridgeError as error:
        print(f"self-test failed: {error}", file=sys.stderr)
        return 1
    print(f"self-test: {PICTURES} pictures of 160 x 160 published, {lost} lost, {took_us:.1f} us each")
    return 0 if lost == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
