"""What comes back from a viewer: pause, single steps, the rate cap, input; and what happens when the viewer is killed."""

import os
import signal
import time
import unittest

import numpy as np
import telebridge
from helpers import PATIENCE_S, RunTest, wait_for
from native import FLAG_PAUSED, Controller, InputRecord, Reader, controlling
from telebridge.inputs import Command, Key, Modifiers, Pointer, ReleaseAll, Resize, Wheel

PICTURE = np.zeros((8, 8, 3), np.uint8)


class Trainer:
    """A training loop in a thread: makes steps until it is told to end."""

    def __init__(self, test: RunTest, **options: object) -> None:
        self.run = telebridge.init(test.run_id, **options)  # type: ignore[arg-type]
        test.addCleanup(self.run.finish)
        self.steps = 0
        self._ending = False
        self.run.frame(PICTURE)
        test.in_thread(self._train)
        test.addCleanup(self.end)  # runs before the thread is waited for

    def _train(self) -> None:
        while not self._ending:
            self.steps += 1
            self.run.frame(PICTURE, step=self.steps)
            time.sleep(0.001)

    def end(self) -> None:
        self._ending = True

    def wait_for_steps(self, count: int = 5) -> None:
        goal = self.steps + count
        wait_for(f"{count} more steps", lambda: self.steps >= goal)

    def wait_for_standstill(self) -> int:
        """Returns the number of the step that it stands at."""

        def stands() -> int:
            before = self.steps
            time.sleep(0.1)
            return before if self.steps == before else 0

        return wait_for("a standstill", stands)


class Pause(RunTest):
    def test_pause_resume_and_single_steps(self) -> None:
        trainer = Trainer(self)
        with controlling(self.run_id) as controller:
            trainer.wait_for_steps()
            self.assertFalse(trainer.run.paused)
            controller.pause(True)
            at = trainer.wait_for_standstill()
            self.assertTrue(trainer.run.paused)
            self.assertTrue(controller.reader.status().flags & FLAG_PAUSED)
            for count in range(1, 4):
                controller.single_step()
                wait_for("a single step", lambda: trainer.steps == at + count)
                time.sleep(0.05)
                self.assertEqual(trainer.steps, at + count, "one step was asked for")
                self.assertEqual(controller.reader.newest().header.step, at + count)
            controller.pause(False)
            trainer.wait_for_steps()
            self.assertFalse(controller.reader.status().flags & FLAG_PAUSED)

    def test_a_run_that_is_not_pausable_goes_on(self) -> None:
        trainer = Trainer(self, pausable=False)
        with controlling(self.run_id) as controller:
            controller.pause(True)
            trainer.wait_for_steps(50)

    def test_a_closed_controller_lets_go(self) -> None:
        trainer = Trainer(self)
        with controlling(self.run_id) as controller:
            controller.pause(True)
            trainer.wait_for_standstill()
        trainer.wait_for_steps()

    def test_a_killed_controller_lets_go_within_its_lease(self) -> None:
        trainer = Trainer(self)
        code = f"""if True:
            from native import Controller
            controller = Controller({self.run_id!r})
            controller.pause(True)
            controller.set_rate_max(0.001)
            print("paused", flush=True)
            import time; time.sleep(600)
        """
        child = self.start_python(code, stdout=-1)
        self.assertEqual(child.stdout.readline(), "paused\n")
        at = trainer.wait_for_standstill()
        os.kill(child.pid, signal.SIGKILL)
        killed_s = time.monotonic()
        wait_for("the next step", lambda: trainer.steps > at)
        # The contract: the lease of 2 s, and a nap of the waiting worker. The rest is this machine's.
        self.assertLess(time.monotonic() - killed_s, 2.0 + 1.0)
        trainer.wait_for_steps(20)
        self.assertGreater(trainer.run.frames_published, at, "its rate cap is gone too")
        with controlling(self.run_id):
            pass  # the next one takes over the socket that it left, and removes it

    def test_the_picture_that_a_person_paused_at_is_shown_in_spite_of_the_cap(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(PICTURE)
            with controlling(self.run_id) as controller:
                controller.set_rate_max(0.01)
                run.frame(PICTURE, step=2)
                self.assertFalse(run.frame(PICTURE, step=3), "the cap skips it")
                controller.pause(True)
                thread = self.in_thread(lambda: run.frame(PICTURE, step=4))
                wait_for("step 4", lambda: controller.reader.newest().header.step == 4)
                controller.pause(False)
                thread.join(PATIENCE_S)

    def test_ctrl_c_ends_a_paused_run(self) -> None:
        code = f"""if True:
            import numpy, telebridge
            run = telebridge.init({self.run_id!r})
            while True:
                run.frame(numpy.zeros((4, 4), "uint8"))
                print("step", flush=True)
        """
        child = self.start_python(code, stdout=-1, stderr=-1)
        child.stdout.readline()
        with controlling(self.run_id) as controller:
            controller.pause(True)
            wait_for("the pause", lambda: controller.reader.status().flags & FLAG_PAUSED)
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=PATIENCE_S)
        self.assertIn("KeyboardInterrupt", errors)


class RateCap(RunTest):
    def test_the_cap_skips_pictures_and_not_steps(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(PICTURE)
            with controlling(self.run_id) as controller:
                controller.set_rate_max(20)
                began_s, frames_before = time.monotonic(), run.frames_published
                shown = [run.frame(PICTURE) for _ in self.steps_for(1.0)]
                seconds = time.monotonic() - began_s
                self.assertEqual(shown.count(True), run.frames_published - frames_before)
                self.assertEqual(shown.count(False), run.frames_skipped)
                self.assertLessEqual(shown.count(True), 20 * seconds + 2)
                self.assertGreaterEqual(shown.count(True), 5)
                self.assertEqual(controller.reader.hud().step, len(shown) + 1)
                controller.set_rate_max(0)
                self.assertTrue(all(run.frame(PICTURE) for _ in range(100)))

    def steps_for(self, seconds: float) -> object:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            yield
            time.sleep(0.002)


class Inputs(RunTest):
    def test_every_kind_of_event(self) -> None:
        with telebridge.init(self.run_id) as run:
            self.assertEqual(list(run.inputs()), [], "before the first picture")
            run.frame(PICTURE)
            with controlling(self.run_id) as controller:
                controller.send(
                    InputRecord(kind=1, x=0.25, y=0.75, buttons=1, modifiers=1, t_ns=11),
                    InputRecord(kind=2, x=0, y=-3, modifiers=2, t_ns=12),
                    InputRecord(kind=3, code=0x50, buttons=1, modifiers=4 | 8, t_ns=13),
                    InputRecord(kind=3, code=0x04, buttons=0, t_ns=14),
                    InputRecord(kind=3, code=0xA5, buttons=1, t_ns=15),
                    InputRecord(kind=4, x=1280, y=720, t_ns=16),
                    InputRecord(kind=5, code=300, x=2.5, t_ns=17),
                    InputRecord(kind=6, t_ns=18),
                )
                self.assertEqual(
                    list(run.inputs()),
                    [
                        Pointer(0.25, 0.75, 1, Modifiers.SHIFT, 11),
                        Wheel(0.0, -3.0, Modifiers.CONTROL, 12),
                        Key("left", True, 0x50, Modifiers.ALT | Modifiers.META, 13),
                        Key("a", False, 0x04, Modifiers.NONE, 14),
                        Key("usage 0xa5", True, 0xA5, Modifiers.NONE, 15),
                        Resize(1280, 720, 16),
                        Command(300, 2.5, 17),
                        ReleaseAll(18),
                    ],
                )
                self.assertEqual(list(run.inputs()), [])

    def test_pause_resume_and_step_are_not_the_workers(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(PICTURE)
            with controlling(self.run_id) as controller:
                controller.send(*(InputRecord(kind=5, code=code) for code in (1, 2, 3, 256)))
                self.assertEqual([event.code for event in run.inputs()], [256])

    def test_too_many_events_end_in_a_release(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(PICTURE)
            with controlling(self.run_id) as controller:
                for _ in range(20):
                    controller.send(*(InputRecord(kind=3, code=4, buttons=1) for _ in range(50)))
                list(run.inputs())
                controller.send(InputRecord(kind=3, code=5, buttons=1))
                events = list(run.inputs())
                self.assertIsInstance(events[0], ReleaseAll)


class Threads(RunTest):
    def test_threads_share_a_run_that_grows(self) -> None:
        """One publishes ever larger pictures, others take input, log and look for a pause."""
        with telebridge.init(self.run_id) as run:
            run.frame(PICTURE)
            ending = []

            def disturb() -> None:
                while not ending:
                    list(run.inputs())
                    run.log({"loss": 1.0})
                    self.assertFalse(run.paused)

            threads = [self.in_thread(disturb) for _ in range(3)]
            for side in range(8, 200, 4):
                self.assertTrue(run.frame(np.zeros((side, side, 3), np.uint8)))
            ending.append(True)
            for thread in threads:
                thread.join(PATIENCE_S)
            self.assertEqual(run.frames_lost, 0)


class SecondController(RunTest):
    def test_one_controller_per_run(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(PICTURE)
            with controlling(self.run_id), self.assertRaises(OSError), Reader(self.run_id):
                Controller(self.run_id)


if __name__ == "__main__":
    unittest.main()
