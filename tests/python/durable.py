"""What the tests of the durable lane share: a server double, and runs that find it."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from typing import Any, List, Optional

import telebridge
from double_server import DoubleServer, Store, use_data_dir
from helpers import PATIENCE_S, RunTest, wait_for


class DurableTest(RunTest):
    """Each test has a data directory and a spool of its own, and no server yet."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="telebridge-durable-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        before = {name: os.environ.get(name) for name in ("TELEBRIDGE_DATA_DIR", "TELEBRIDGE_SPOOL_DIR")}
        self.addCleanup(lambda: os.environ.update({name: value for name, value in before.items() if value is not None}))
        self.environment = use_data_dir(self.folder)
        self.spool = self.folder / "spool"
        self.store = Store()
        self.server: Optional[DoubleServer] = None
        self._runs: List[telebridge.Run] = []
        self.addCleanup(self._end)

    def serve(self) -> DoubleServer:
        """Starts the server, or starts it again with what it has stored."""
        self.server = DoubleServer(self.folder / "data", self.store)
        return self.server

    def stop_serving(self) -> None:
        if self.server is not None:
            self.server.stop()
            self.server = None

    def init(self, **options: Any) -> telebridge.Run:
        run = telebridge.init(self.run_id, **options)
        self._runs.append(run)
        return run

    def sender_pid(self, run: telebridge.Run) -> int:
        """The process that sends for a run now."""
        return int(wait_for("a sender", lambda: run._lane._sender and run._lane._sender.pid))

    def values(self, series: str) -> List[float]:
        with self.store.lock:
            return [row["value"] for row in self.store.rows["samples"] if row["series"] == series]

    def _end(self) -> None:
        for run in self._runs:
            run.finish()
        for run in self._runs:
            sender = run._lane and run._lane._sender
            if sender:
                wait_for("the sender's end", lambda: run._lane._sender_done or not exists(sender.pid), PATIENCE_S * 2)
        self.stop_serving()


def exists(pid: int) -> bool:
    """Whether a process lives (zombies do not)."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def spools(folder: pathlib.Path) -> List[str]:
    return sorted(path.name for path in folder.glob("*~*")) if folder.exists() else []


