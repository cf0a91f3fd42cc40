"""``python -m telebridge``: says what is installed, whether a picture gets through shared memory here, and whether rows
would be stored: where the server is, and what waits in the spool."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import time

import numpy as np

from . import __version__, init
from ._discovery import ServerAway, destination, find_server, spool_dir
from ._lane import INSTALL_HINT, missing_packages
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
        with init(f"self-test-{os.getpid()}", durable=False) as run:
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
    print_durable_lane()
    return 0 if lost == 0 else 1


def print_durable_lane() -> None:
    """Storing runs is a person's choice, so that nothing here is a failure."""
    missing = missing_packages()
    if missing:
        print(f"runs are not stored: {' and '.join(missing)} cannot be imported ({INSTALL_HINT})")
        return
    import google.protobuf
    import grpc

    print(f"grpcio {grpc.__version__}, protobuf {google.protobuf.__version__}")
    print(f"rows go to {destination()}: {_server_state()}")
    spools = sorted(spool_dir().glob("*~*"))
    waiting = f"rows of {len(spools)} runs wait in it" if spools else "nothing waits in it"
    print(f"the spool is {spool_dir()}: {waiting}")


def _server_state() -> str:
    import grpc

    from ._protocol import message_class, method
    from ._publisher import open_channel

    try:
        address = find_server()
    except ServerAway as error:
        return f"no server now ({error}); rows would be kept until one is there"
    channel = open_channel(address)
    try:
        request = message_class("ListRunsRequest")(page_size=1)
        method(channel, "RunService", "ListRuns")(request, metadata=address.metadata, timeout=2)
    except grpc.RpcError as error:
        return f"the server at {address.target} answers {error.code().name}: {error.details()}"
    finally:
        channel.close()
    return f"a server answers at {address.target}"


if __name__ == "__main__":
    sys.exit(main())
