"""A double of the ingest process: a real gRPC server that keeps rows in lists, and can be slow, failing, refusing, or gone.

It keeps the protocol's rules (sequences without gaps, rows once only), so that tests of the client see what it does when
the real server, which tests/system has, would be hard to bring into some state.
"""

from __future__ import annotations

import collections
import os
import pathlib
import struct
import sys
import threading
import time
from concurrent import futures
from typing import Any, Callable, Dict, List, Optional, Tuple

import grpc
import numpy as np
from telebridge._protocol import message_class
from telebridge._rows import SEQUENCE_FIELDS

KIND_NAMES = {
    "PublishRunSteps": "steps",
    "PublishRunEpisodes": "episodes",
    "PublishSamples": "samples",
    "PublishLogs": "logs",
    "PublishParams": "params",
    "PublishHistograms": "histograms",
}


class Store:
    """What was committed, which outlives the server as a database does."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        #: Rows by kind, in the order of their commits: dictionaries, of checkpoints with their bytes.
        self.rows: Dict[str, List[Dict[str, Any]]] = collections.defaultdict(list)
        #: By run, stream and kind.
        self.committed: Dict[Tuple[str, bytes, str], int] = collections.defaultdict(int)
        self.registered: List[Any] = []
        self.finished: List[Any] = []

    def clear(self) -> None:
        with self.lock:
            self.rows.clear()
            self.committed.clear()


class DoubleServer:
    """Listens on `<data_dir>/ingest.sock`."""

    def __init__(self, data_dir: pathlib.Path, store: Optional[Store] = None) -> None:
        self.store = store or Store()
        self.credits = 100_000
        #: Called with the kind and its rows before they are committed; may wait, or raise Refusal.
        self.before_commit: Callable[[str, List[Dict[str, Any]]], None] = lambda kind, rows: None
        self.holds_acks = threading.Event()  # set: what is committed is not said
        self.want_synced = 0
        self._calls: List[Any] = []
        data_dir.mkdir(parents=True, exist_ok=True)
        self._socket = data_dir / "ingest.sock"
        self._socket.unlink(missing_ok=True)
        self._server = grpc.server(futures.ThreadPoolExecutor(32), maximum_concurrent_rpcs=30)
        handlers: Dict[str, Any] = {}
        for name in KIND_NAMES:
            handlers[name] = grpc.stream_stream_rpc_method_handler(
                self._publishing(name),
                message_class(f"{name}Request").FromString,
                message_class("PublishAck").SerializeToString,
            )
        handlers["PublishCheckpoint"] = grpc.stream_unary_rpc_method_handler(
            self._checkpoint,
            message_class("PublishCheckpointRequest").FromString,
            message_class("PublishCheckpointResponse").SerializeToString,
        )
        runs = {
            name: grpc.unary_unary_rpc_method_handler(
                method, message_class(f"{name}Request").FromString, message_class(f"{name}Response").SerializeToString
            )
            for name, method in (("RegisterRun", self._register), ("FinishRun", self._finish))
        }
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler("telebridge.v1.PublishService", handlers),
                grpc.method_handlers_generic_handler("telebridge.v1.RunService", runs),
            )
        )
        self._server.add_insecure_port(f"unix:{self._socket}")
        self._server.start()

    def stop(self) -> None:
        """As a kill does: connections break in mid-message."""
        self._socket.unlink(missing_ok=True)
        self._server.stop(None).wait()

    def _register(self, request: Any, context: Any) -> Any:
        with self.store.lock:
            self.store.registered.append(request)
            answer = message_class("RegisterRunResponse")(instance="double")
            for kind in SEQUENCE_FIELDS.values():
                setattr(answer.committed, kind, self.store.committed[(request.run_id, request.stream_id, kind)])
            return answer

    def _finish(self, request: Any, context: Any) -> Any:
        with self.store.lock:
            self.store.finished.append(request)
        return message_class("FinishRunResponse")()

    def _publishing(self, name: str) -> Any:
        kind = KIND_NAMES[name]

        def publish(requests: Any, context: Any) -> Any:
            key: Any = None
            names: Dict[int, str] = {}
            for request in requests:
                if key is None:
                    key = (request.open.run_id, request.open.stream_id, kind)
                    self.want_synced += request.open.want_synced
                rows = _rows_of(kind, request, names)
                try:
                    if rows:
                        self.before_commit(kind, rows)
                except Refusal as refusal:
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(refusal))
                with self.store.lock:
                    committed = self.store.committed[key]
                    if rows and request.first_sequence > committed + 1:
                        context.abort(grpc.StatusCode.ABORTED, f"go on from {committed + 1}")
                    new = rows[max(0, committed + 1 - request.first_sequence) :]
                    for row in new:
                        row.update(run=key[0], stream=key[1])
                    self.store.rows[kind].extend(new)
                    self.store.committed[key] = committed = committed + len(new)
                if not self.holds_acks.is_set():
                    yield message_class("PublishAck")(
                        committed_sequence=committed,
                        synced_sequence=committed if self.want_synced else 0,
                        credits=self.credits,
                        state=1,
                    )

        return publish

    def _checkpoint(self, requests: Any, context: Any) -> Any:
        header = next(requests).header
        content = b"".join(request.chunk for request in requests)
        row = {"name": header.checkpoint.name, "step": header.checkpoint.step, "content": content}
        with self.store.lock:
            self.store.rows["checkpoints"].append(row)
        return message_class("PublishCheckpointResponse")(checkpoint=header.checkpoint)


class Refusal(Exception):
    """What the server answers with INVALID_ARGUMENT."""


def _rows_of(kind: str, request: Any, names: Dict[int, str]) -> List[Dict[str, Any]]:
    if kind == "samples":
        columns = request.columns
        names.update({definition.index: definition.name for definition in columns.definitions})
        series = np.frombuffer(columns.series, "<u4")
        steps = np.frombuffer(columns.step, "<u8").tolist() if columns.step else [None] * len(series)
        times = np.frombuffer(columns.time_unix_ns, "<i8").tolist()
        values = np.frombuffer(columns.value, "<f8").tolist()
        return [
            {"series": names[int(index)], "time": time, "step": None if step == 2**64 - 1 else step, "value": value}
            for index, time, step, value in zip(series, times, steps, values)
        ]
    if kind == "steps":
        columns = request.columns
        count = len(columns.step) // 8
        form = f"<{count}"
        return [
            {"step": step, "episode": episode, "reward": reward, "flags": flags, "extra": extra}
            for step, episode, reward, flags, extra in zip(
                struct.unpack(form + "Q", columns.step),
                struct.unpack(form + "Q", columns.episode),
                struct.unpack(form + "d", columns.reward),
                columns.flags,
                list(columns.extra_json) or [""] * count,
            )
        ]
    return [{"row": row} for row in request.rows]


def use_data_dir(folder: pathlib.Path) -> Dict[str, str]:
    """Makes this process' runs look for their server in `folder`, and spool there; returns the environment's part."""
    environment = {"TELEBRIDGE_DATA_DIR": str(folder / "data"), "TELEBRIDGE_SPOOL_DIR": str(folder / "spool")}
    os.environ.update(environment)
    return environment


def main() -> None:
    """`double_server.py DATA_DIR COMMIT_S`: a server whose every commit takes so long, until stdin ends."""
    server = DoubleServer(pathlib.Path(sys.argv[1]))
    commit_s = float(sys.argv[2])
    server.before_commit = lambda kind, rows: time.sleep(commit_s)
    print("ready", flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
