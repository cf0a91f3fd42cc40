"""Which runs of the same name a new one replaces: those of other programs, and those that a server is removing."""

import os
import threading
import unittest

import numpy as np
import telebridge
from helpers import PATIENCE_S, RunTest
from native import Reader, exists
from telebridge._ring import refuse_if_alive

# A segment after docs/ring.md whose maker dies, unnoticed by Python's own clean-up.
DEAD_PRODUCER = """if True:
    import os, signal, sys
    from multiprocessing import resource_tracker
    from plain_producer import PlainProducer
    producer = PlainProducer(sys.argv[1], 8, 4, 2, 2)
    resource_tracker.unregister(producer.memory._name, "shared_memory")
    os.kill(os.getpid(), signal.SIGKILL)
"""
# Holds the lock of an ended process's segment, as a server does that removes it, until its input ends.
REMOVING = """if True:
    import os, struct, sys
    from plain_producer import PlainProducer
    ended_pid = os.fork()
    if ended_pid == 0:
        os._exit(0)
    os.waitpid(ended_pid, 0)
    producer = PlainProducer(sys.argv[1], 8, 4, 2, 2, lock=True)
    struct.pack_into("<I", producer.memory.buf, 48, ended_pid)
    print("locked", flush=True)
    sys.stdin.read()
    producer.close()
    print("removed", flush=True)
"""


class Takeover(RunTest):
    def setUp(self) -> None:
        super().setUp()
        path = f"/dev/shm/mosaic.run.{self.run_id}.fastlane"
        self.addCleanup(lambda: exists(self.run_id) and os.unlink(path))

    def test_a_dead_one_without_the_owner_s_lock_is_replaced(self) -> None:
        """Whether it is dead shows only after 10 s; other threads of the trainer run meanwhile."""
        self.start_python_with(DEAD_PRODUCER, self.run_id).wait(PATIENCE_S)
        run = telebridge.init(self.run_id)
        shown = []
        thread = threading.Thread(target=lambda: shown.append(run.frame(np.zeros((4, 4), np.uint8))), daemon=True)
        thread.start()
        naps = 0
        while thread.is_alive() and naps < PATIENCE_S * 100:
            thread.join(0.01)
            naps += 1
        self.assertEqual(shown, [True])
        self.assertGreater(naps, 20)
        with Reader(self.run_id) as reader:
            self.assertEqual(reader.status().producer_pid, os.getpid())
        run.finish()

    def test_a_live_one_without_the_owner_s_lock_is_refused(self) -> None:
        child = self.start_python_with(
            "import sys, plain_producer; p = plain_producer.PlainProducer(sys.argv[1], 8, 4, 2, 2);"
            "print('made', flush=True); sys.stdin.read(); p.close()",
            self.run_id,
            stdin=-1,
        )
        self.assertEqual(child.stdout.readline(), "made\n")
        with self.assertRaisesRegex(telebridge.RunExistsError, f"already published by pid {child.pid}"):
            telebridge.init(self.run_id)
        child.communicate(timeout=PATIENCE_S)

    def test_one_that_is_being_removed_is_waited_for(self) -> None:
        remover = self.start_python_with(REMOVING, self.run_id, stdin=-1)
        self.assertEqual(remover.stdout.readline(), "locked\n")
        naps = []

        def nap(seconds: float) -> None:
            naps.append(seconds)
            remover.stdin.close()
            self.assertEqual(remover.stdout.readline(), "removed\n")

        refuse_if_alive(self.run_id, sleep=nap)
        self.assertEqual(len(naps), 1)
        remover.wait(PATIENCE_S)
        remover.stdin = None  # closed, which communicate() would stumble over

    def test_a_lock_that_stays_is_another_s_run(self) -> None:
        remover = self.start_python_with(REMOVING, self.run_id, stdin=-1)
        self.assertEqual(remover.stdout.readline(), "locked\n")
        with self.assertRaises(telebridge.RunExistsError):
            telebridge.init(self.run_id)
        remover.communicate(timeout=PATIENCE_S)


if __name__ == "__main__":
    unittest.main()
