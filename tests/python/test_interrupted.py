"""A run that is used and ended amid another call: by a signal handler, by a finalizer, by the interpreter's exit."""

import signal
import sys
import textwrap
import unittest

from helpers import HERE, PATIENCE_S, RunTest
from native import exists

# Runs `act` inside run.frame(), before its n-th instruction in telebridge's files; says whether it has that many.
INTERRUPTING = """
import sys
import numpy, telebridge

class Interruption:
    def __init__(self, number, act):
        self.left, self.act = number, act

    def __call__(self, frame, event, argument):
        if "telebridge" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.left -= 1
            if self.left == 0:
                self.act()
        return self

    def run_frame(self, run, picture, **options):
        sys.settrace(self)
        try:
            return run.frame(picture, **options)
        except telebridge.TelebridgeError as error:
            assert "finished" in str(error), error
        finally:
            sys.settrace(None)
"""


class Interrupted(RunTest):
    def python_output(self, code: str) -> str:
        """What a Python of its own prints; it has Interruption at hand."""
        command = [sys.executable, "-X", "faulthandler", "-W", "ignore", "-c", INTERRUPTING + textwrap.dedent(code)]
        child = self.start(command, cwd=HERE, stdout=-1, stderr=-1)
        output, errors = child.communicate(timeout=PATIENCE_S * 3)
        self.assertEqual((child.returncode, errors), (0, ""))
        return output

    def test_finish_at_every_instruction_of_frame(self) -> None:
        """Once it has returned the run is over, and nothing of it comes back."""
        code = f"""
            import os
            path = "/dev/shm/mosaic.run.{self.run_id}.fastlane"
            for is_first in (True, False):
                number = 0
                while True:
                    number += 1
                    run = telebridge.init("{self.run_id}", durable=False)
                    if not is_first:
                        run.frame(numpy.zeros((4, 4), "uint8"))
                    interruption = Interruption(number, run.finish)
                    interruption.run_frame(run, numpy.zeros((8, 8), "uint8"), reward=1.0)
                    if interruption.left > 0:
                        run.finish()
                        break
                    assert not os.path.exists(path), (is_first, number)
                assert number > 100, number
            print("ended")
        """
        self.assertEqual(self.python_output(code), "ended\n")

    def test_frame_and_log_at_every_instruction_of_frame(self) -> None:
        """Pictures that come amid another are shown or lost, but never mixed with it."""
        code = f"""
            import native
            number = 0
            small, large = numpy.full((8, 8), 1, "uint8"), numpy.full((20, 20, 3), 2, "uint8")

            def act():
                run.frame(large)
                run.log({{"loss": 1.0}})

            while True:
                number += 1
                run = telebridge.init("{self.run_id}", durable=False)
                run.frame(small[:4, :4])
                interruption = Interruption(number, act)
                interruption.run_frame(run, small)
                with native.Reader(run.id) as reader:
                    picture = reader.newest().picture()
                    assert picture.shape in ((8, 8), (20, 20, 3)), (number, picture.shape)
                    assert (picture == (1 if picture.ndim == 2 else 2)).all(), number
                    assert run.frame(small), number
                    assert (reader.newest().picture() == 1).all() or reader.status().replaced, number
                run.finish()
                if interruption.left > 0:
                    break
            assert number > 100, number
            print("ended")
        """
        self.assertEqual(self.python_output(code), "ended\n")

    def test_a_signal_handler_that_finishes_the_run_amid_a_warning(self) -> None:
        """What a person's own showwarning() and their handler do, they do while the picture is being published."""
        code = f"""
            import numpy, resource, signal, telebridge, warnings
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, lambda *_: run.finish())
            warnings.simplefilter("always")
            warnings.showwarning = lambda *_: signal.raise_signal(signal.SIGTERM)
            run = telebridge.init({self.run_id!r})
            run.frame(numpy.zeros((8, 8), "uint8"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
            print(run.frame(numpy.zeros((1024, 1024, 3), "uint8")), repr(run))
        """
        self.assertEqual(self.python_output(code), f"False <telebridge.Run {self.run_id!r}, finished>\n")
        self.assertFalse(exists(self.run_id))

    def test_exit_while_a_daemon_thread_publishes(self) -> None:
        code = f"""
            import threading, numpy, telebridge
            run = telebridge.init({self.run_id!r})
            picture = numpy.zeros((720, 1280, 4), "uint8")
            begun = threading.Event()
            def publish():
                while True:
                    run.frame(picture)
                    begun.set()
            threading.Thread(target=publish, daemon=True).start()
            begun.wait()
        """
        for _ in range(3):
            self.assertEqual(self.python_output(code), "")
            self.assertFalse(exists(self.run_id))

    def test_a_run_finished_by_another_thread_stays_away(self) -> None:
        code = f"""
            import os, sys, threading, numpy, telebridge
            sys.setswitchinterval(1e-6)
            pictures = [numpy.zeros((side, side), "uint8") for side in (4, 64)]
            for number in range(100):
                run = telebridge.init({self.run_id!r})
                begun = threading.Event()
                def publish():
                    try:
                        while True:
                            for picture in pictures:
                                run.frame(picture)
                                begun.set()
                    except telebridge.TelebridgeError as error:
                        assert "finished" in str(error), error
                thread = threading.Thread(target=publish)
                thread.start()
                begun.wait()
                run.finish()
                thread.join()
                assert not os.path.exists("/dev/shm/mosaic.run.{self.run_id}.fastlane"), number
        """
        self.assertEqual(self.python_output(code), "")

    def test_ctrl_c_in_a_tight_loop_ends_the_run(self) -> None:
        code = f"""
            import numpy, telebridge
            picture = numpy.zeros((4, 4), "uint8")
            try:
                with telebridge.init({self.run_id!r}) as run:
                    run.frame(picture)
                    print("begun", flush=True)
                    while True:
                        run.frame(picture)
            except KeyboardInterrupt:
                import os
                print(os.path.exists("/dev/shm/mosaic.run.{self.run_id}.fastlane"))
        """
        child = self.start_python(textwrap.dedent(code), stdout=-1, stderr=-1)
        self.assertEqual(child.stdout.readline(), "begun\n")
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.communicate(timeout=PATIENCE_S), ("False\n", ""))


if __name__ == "__main__":
    unittest.main()
