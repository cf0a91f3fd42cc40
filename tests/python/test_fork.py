"""A forked child leaves its parent's run alone, whatever it does with it."""

import multiprocessing
import os
import unittest
import warnings

import numpy as np
import telebridge
from helpers import PATIENCE_S, RunTest
from native import Reader, exists

PICTURE = np.zeros((8, 8, 3), np.uint8)


def use_the_run_of_the_parent(run: telebridge.Run, queue: "multiprocessing.Queue[object]") -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        shown = [run.frame(PICTURE, reward=1.0) for _ in range(3)]
        run.log({"loss": 1.0})
        inputs = list(run.inputs())
        own = telebridge.init(run.id + "-child")
        own_shown = own.frame(PICTURE)
        own.finish()
        queue.put((shown, inputs, own_shown, [str(warning.message) for warning in caught]))
    run.finish()


class Fork(RunTest):
    def test_a_child_s_frame_does_nothing_but_warn_once(self) -> None:
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        with telebridge.init(self.run_id) as run:
            run.frame(PICTURE)
            child = context.Process(target=use_the_run_of_the_parent, args=(run, queue))
            child.start()
            shown, inputs, own_shown, messages = queue.get(timeout=PATIENCE_S)
            child.join(PATIENCE_S)
            self.assertEqual(child.exitcode, 0)
            self.assertEqual((shown, inputs, own_shown), ([False] * 3, [], True))
            self.assertEqual(len(messages), 1)
            self.assertIn("a forked child cannot publish", messages[0])
            self.assertTrue(exists(self.run_id), "the child's finish() is not the run's end")
            self.assertTrue(run.frame(PICTURE))
            with Reader(self.run_id) as reader:
                self.assertEqual(reader.status().head, 2)
        self.assertFalse(exists(self.run_id))

    def test_a_child_that_just_exits(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(PICTURE)
            code = f"""if True:
                import numpy, os, sys, telebridge
                run = telebridge.init({self.run_id!r} + "-exits")
                run.frame(numpy.zeros((4, 4), "uint8"))
                pid = os.fork()
                if pid == 0: sys.exit(0)
                os.waitpid(pid, 0)
                print(os.path.exists("/dev/shm/mosaic.run." + run.id + ".fastlane"), run.frame(numpy.zeros((4, 4), "uint8")))
            """
            child = self.start_python(code, stdout=-1)
            self.assertEqual(child.communicate(timeout=PATIENCE_S)[0], "True True\n")
        self.assertNotIn(self.run_id, " ".join(os.listdir("/dev/shm")))

    def test_spawned_workers_start_runs_of_their_own(self) -> None:
        context = multiprocessing.get_context("spawn")
        with context.Pool(2) as pool:
            names = [f"{self.run_id}-{index}" for index in range(2)]
            self.assertEqual(pool.map(publish_one, names), [1, 1])


def publish_one(run_id: str) -> int:
    with telebridge.init(run_id) as run:
        run.frame(PICTURE)
        return run.frames_published


if __name__ == "__main__":
    unittest.main()
