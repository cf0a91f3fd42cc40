"""What cannot be shown is refused with a message that says what was given, what is accepted, and what to do."""

import errno
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import warnings

import numpy as np
import telebridge
from helpers import HERE, RunTest
from native import exists

GIVEN_AND_ADVICE = [
    (np.zeros((4, 6, 3), np.float32), r"shape \(4, 6, 3\) and dtype float32", r"255 \* picture"),
    (np.zeros((4, 6), bool), "dtype bool", r"\* 255"),
    (np.zeros((4, 6, 3), np.int64), "dtype int64", "uint8"),
    (np.zeros((3, 4, 6), np.uint8), r"shape \(3, 4, 6\)", r"transpose\(1, 2, 0\)"),
    (np.zeros((4, 6, 1), np.uint8), r"shape \(4, 6, 1\)", r"\[:, :, 0\]"),
    (np.zeros((4, 6, 2), np.uint8), r"shape \(4, 6, 2\)", "RGB"),
    (np.zeros((8, 4, 6, 3), np.uint8), r"shape \(8, 4, 6, 3\)", r"telebridge\.tile"),
    (np.zeros((0, 6, 3), np.uint8), r"shape \(0, 6, 3\)", "height"),
    (np.zeros(6, np.uint8), r"shape \(6,\)", "height"),
    ([[0, 0]], "builtins.list", "numpy uint8 array"),
    (None, "NoneType", "numpy uint8 array"),
]


class Errors(RunTest):
    def test_a_wrong_picture_is_a_value_error_that_helps(self) -> None:
        with telebridge.init(self.run_id) as run:
            for value, given, advice in GIVEN_AND_ADVICE:
                with self.subTest(given=given):
                    with self.assertRaisesRegex(ValueError, given) as caught:
                        run.frame(value)
                    self.assertRegex(str(caught.exception), advice)
            self.assertEqual(run.frames_published, 0)
            self.assertTrue(run.frame(np.zeros((4, 6, 3), np.uint8)), "the run goes on")

    def test_a_wrong_overlay_is_a_value_error(self) -> None:
        picture = np.zeros((4, 6, 3), np.uint8)
        with telebridge.init(self.run_id) as run:
            for overlay in (np.zeros((2, 2, 2)), np.zeros((2, 2), np.int32), np.zeros((0, 2)), "heat"):
                with self.assertRaisesRegex(ValueError, "the overlay is"):
                    run.frame(picture, overlay=overlay)

    def test_a_bad_name_is_a_value_error(self) -> None:
        for name in ("", "a/b", "..", ".hidden", "a" * 65, "ä", "a b", 7, "a\n"):
            with self.subTest(name), self.assertRaisesRegex(ValueError, "the run's name is"):
                telebridge.init(name)

    def test_a_live_run_is_not_taken_over(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(np.zeros((4, 4), np.uint8))
            with self.assertRaisesRegex(telebridge.RunExistsError, f"already published by pid {os.getpid()}"):
                telebridge.init(self.run_id)
        telebridge.init(self.run_id).finish()

    def test_a_killed_run_is_taken_over(self) -> None:
        """Its segment is still there, unless a server that happens to run on this machine has removed it."""
        code = f"""if True:
            import numpy, os, signal, telebridge
            run = telebridge.init({self.run_id!r})
            run.frame(numpy.zeros((4, 4), "uint8"))
            os.kill(os.getpid(), signal.SIGKILL)
        """
        self.start_python(code).wait(timeout=30)
        with telebridge.init(self.run_id) as run:
            self.assertTrue(run.frame(np.zeros((4, 4), np.uint8)))
        self.assertFalse(exists(self.run_id))

    def test_two_that_start_at_once(self) -> None:
        first, second = telebridge.init(self.run_id), telebridge.init(self.run_id)
        with first, second:
            first.frame(np.zeros((4, 4), np.uint8))
            with self.assertRaises(telebridge.RunExistsError):
                second.frame(np.zeros((4, 4), np.uint8))

    def test_values_of_the_hud_are_numbers(self) -> None:
        with telebridge.init(self.run_id) as run:
            with self.assertRaisesRegex(TypeError, "'loss' is 'high', expected a number"):
                run.log({"loss": "high"})

    def test_a_value_that_is_no_number_names_its_key(self) -> None:
        with telebridge.init(self.run_id) as run:
            for value in ("high", None, [1.0, 2.0], np.zeros(2), {}):
                with self.subTest(value=value), self.assertRaisesRegex(TypeError, "'kl' is .*, expected a number"):
                    run.log({"entropy": 0.1, "kl": value})
            with self.assertRaisesRegex(ValueError, "'kl' is beyond the largest float"):
                run.log({"kl": 10**400})

    def test_a_name_that_cannot_be_stored_is_refused(self) -> None:
        with telebridge.init(self.run_id) as run:
            for name, error in [("", ValueError), ("a\nb", ValueError), ("é" * 101, ValueError), (7, TypeError)]:
                with self.subTest(name=name), self.assertRaisesRegex(error, "run.log: a name is"):
                    run.log({name: 1.0})

    def test_a_library_that_cannot_be_loaded(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            broken = pathlib.Path(folder) / "libtelebridge.so"
            broken.write_text("not a library")
            child = subprocess.run(
                [sys.executable, "-m", "telebridge"],
                cwd=HERE,
                env={**os.environ, "TELEBRIDGE_LIBRARY": str(broken)},
                capture_output=True,
                text=True,
                timeout=60,
            )
        self.assertEqual(child.returncode, 1)
        self.assertIn(f"cannot load the telebridge library {broken}", child.stderr)
        self.assertNotIn("Traceback", child.stderr)

    def test_no_room_for_a_larger_picture_is_no_error_of_the_training(self) -> None:
        """A limit on file sizes stands in for a full /dev/shm."""
        code = f"""if True:
            import numpy, resource, signal, telebridge, warnings
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            run = telebridge.init({self.run_id!r})
            run.frame(numpy.zeros((8, 8), "uint8"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                shown = [run.frame(numpy.zeros((1024, 1024, 3), "uint8")) for _ in range(3)]
                print(shown, run.frames_lost, [str(w.message) for w in caught])
        """
        child = self.start_python(code, stdout=-1, stderr=-1)
        output, errors = child.communicate(timeout=30)
        self.assertEqual(errors, "")
        self.assertIn("[False, False, False] 3 ['run \"" + self.run_id + '" loses pictures:', output)
        self.assertEqual(output.count("loses pictures"), 1)

    def test_no_room_for_the_first_picture_is_an_error(self) -> None:
        code = f"""if True:
            import numpy, resource, signal, telebridge
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            run = telebridge.init({self.run_id!r})
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
            try:
                run.frame(numpy.zeros((1024, 1024, 3), "uint8"))
            except telebridge.TelebridgeError as error:
                print(error)
        """
        child = self.start_python(code, stdout=-1)
        self.assertIn("cannot publish run", child.communicate(timeout=30)[0])
        self.assertEqual(child.returncode, 0)
        self.assertFalse(exists(self.run_id), os.strerror(errno.EFBIG))


if __name__ == "__main__":
    unittest.main()
