"""The client and the real server: `telebridge serve`, its ingest process, its database; both killed on the way."""

import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import unittest

from durable import DurableTest
from helpers import HERE, PATIENCE_S, ROOT, wait_for

DENO = ROOT / ".tools/deno"


@unittest.skipUnless(DENO.exists() and (ROOT / "dist/bundled").exists(), "the server is not built: make build")
class RealServer(DurableTest):
    def start_server(self, port: int = 0) -> None:
        command = [DENO, "run", "--allow-all", "--quiet", ROOT / "main.ts", "serve", "--json", "--grpc-port=0"]
        command += [f"--port={port}", f"--data-dir={self.folder / 'data'}"]
        (self.folder / "data").mkdir(exist_ok=True)
        runtime = self.folder / "runtime"
        runtime.mkdir(exist_ok=True, mode=0o700)
        self.process = self.start(
            command,
            env={"TELEBRIDGE_RUNTIME_DIR": str(runtime), "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(self._end)  # runs end while the server is there still
        self.ready = json.loads(self.process.stdout.readline())

    def ingest_pid(self) -> int:
        """The child of the server that holds the database."""

        def find() -> int:
            for entry in pathlib.Path("/proc").iterdir():
                try:
                    stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                    if int(stat[1]) == self.process.pid and b"ingest" in (entry / "cmdline").read_bytes():
                        return int(entry.name)
                except (OSError, ValueError, IndexError):
                    continue
            return 0

        return int(wait_for("the ingest process", find))

    def steps(self) -> list:
        """All steps as the database has them, in the order of their numbers."""
        path = self.folder / "data" / "telebridge.db"
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=PATIENCE_S)
        try:
            return [step for (step,) in database.execute("SELECT step FROM step_row ORDER BY step")]
        finally:
            database.close()

    def test_rows_through_kills_of_the_ingest_process_and_the_sender(self) -> None:
        self.start_server()
        run = self.init(tags=["killed"])
        stop = threading.Event()
        killed = []

        def kill_now_and_then() -> None:
            for turn in range(4):
                if stop.wait(0.7):
                    return
                pid = self.ingest_pid() if turn % 2 == 0 else self.sender_pid(run)
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

        thread = self.in_thread(kill_now_and_then)
        step = 0
        while thread.is_alive():
            for _ in range(20):
                run.step(step=step, reward=1.0)
                run.log({"a": step, "b": -step}, step=step)
                step += 1
            time.sleep(0.002)
        self.assertEqual(len(killed), 4)
        self.assertTrue(run.flush(PATIENCE_S))
        self.assertEqual(self.steps(), list(range(step)))
        self.assertTrue(run.flush(PATIENCE_S, synced=True))

    def test_by_url_and_a_server_that_starts_anew(self) -> None:
        self.start_server()
        environment = {"TELEBRIDGE_URL": self.ready["url"], "TELEBRIDGE_DATA_DIR": str(self.folder / "nowhere")}
        code = f"""if True:
            import sys, telebridge
            run = telebridge.init({self.run_id!r})
            for step in range(1000): run.step(step=step)
            print(run.flush(20), flush=True)
            sys.stdin.readline()
            for step in range(1000, 2000): run.step(step=step)
            sys.stdin.readline()
            print(run.flush(20), flush=True)
        """
        child = self.start_python_with(code, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(child.stdout.readline(), "True\n")
        self.process.kill()
        self.process.wait()
        child.stdin.write("on\n")
        child.stdin.flush()
        self.start_server(self.ready["port"])
        child.stdin.write("on\n")
        child.stdin.flush()
        output, errors = child.communicate(timeout=PATIENCE_S)
        self.assertEqual((output, child.returncode), ("True\n", 0), errors)
        self.assertEqual(self.steps(), list(range(2000)))

    def test_the_self_test_finds_the_server(self) -> None:
        self.start_server()
        done = subprocess.run([sys.executable, "-m", "telebridge"], cwd=HERE, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"rows go to .*: a server answers at unix:.*ingest.sock")
        self.assertRegex(done.stdout, r"grpcio \d.*, protobuf \d")
        self.assertIn("nothing waits in it", done.stdout)


if __name__ == "__main__":
    unittest.main()
