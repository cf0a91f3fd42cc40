"""Pictures arrive as they were given: every byte, for every kind of array that frame() takes."""

import os
import time
import unittest

import numpy as np
import telebridge
from helpers import RunTest
from native import READ_NEXT, Reader, exists

NOISE = np.random.default_rng(20261121).integers(0, 256, (64, 96, 4), dtype=np.uint8)

PICTURES = {
    "RGB": NOISE[:, :, :3].copy(),
    "RGBA": NOISE.copy(),
    "gray": NOISE[:, :, 0].copy(),
    "one pixel": NOISE[:1, :1, :3].copy(),
    "read-only": np.frombuffer(NOISE.tobytes(), np.uint8).reshape(NOISE.shape),
    "rows with padding": NOISE[:, :80],
    "rows with padding, gray": NOISE[:, :, 0].copy()[:, :80],
    "from the right edge": NOISE[:, 16:],
    "a narrow cut": NOISE[:, 40:44],
    "last rows, padded": NOISE[60:, 16:],
    "every other row": NOISE[::2],
    "every other column": NOISE[:, ::2],
    "upside down": NOISE[::-1],
    "BGR": NOISE[:, :, 2::-1],
    "RGB of RGBA": NOISE[:, :, :3],
    "Fortran order": np.asfortranarray(NOISE),
    "channels first, transposed": NOISE[:, :, :3].transpose(2, 0, 1).copy().transpose(1, 2, 0),
    "broadcast": np.broadcast_to(NOISE[0, 0, :3], (20, 30, 3)),
}


class Frames(RunTest):
    def test_every_kind_of_array_arrives_byte_for_byte(self) -> None:
        for name, picture in PICTURES.items():
            with self.subTest(name), telebridge.init(f"{self.run_id}-{name.replace(' ', '').replace(',', '')}") as run:
                self.assertTrue(run.frame(picture))
                with Reader(run.id) as reader:
                    np.testing.assert_array_equal(reader.newest().picture(), picture)

    def test_padded_rows_are_read_in_place(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(NOISE[:, :80])
            with Reader(run.id) as reader:
                self.assertEqual(reader.newest().header.stride, 96 * 4)

    def test_the_array_may_be_reused_at_once(self) -> None:
        picture = np.empty((32, 32), np.uint8)
        with telebridge.init(self.run_id) as run:
            for value in range(1, 4):
                picture[:] = value
                run.frame(picture)
            with Reader(run.id) as reader:
                for number in range(1, 4):
                    self.assertTrue((reader.read(number - 1, READ_NEXT).picture() == number).all())

    def test_step_reward_episode_and_time(self) -> None:
        began_ns = time.monotonic_ns()
        with telebridge.init(self.run_id) as run:
            run.frame(NOISE, step=41, reward=-0.5, episode=7)
            run.frame(NOISE)
            with Reader(run.id) as reader:
                first = reader.read(0, READ_NEXT).header
                second = reader.read(1, READ_NEXT).header
        self.assertEqual((first.frame, first.step, first.reward, first.episode), (1, 41, -0.5, 7))
        self.assertEqual((second.frame, second.step, second.episode), (2, 42, 7))
        self.assertTrue(began_ns <= first.t_mono_ns <= second.t_mono_ns <= time.monotonic_ns())

    def test_overlay_of_bytes_and_of_floats(self) -> None:
        heat = np.arange(30, dtype=np.uint8).reshape(5, 6)
        with telebridge.init(self.run_id) as run, self.subTest("bytes"):
            run.frame(NOISE, overlay=heat)
            with Reader(run.id) as reader:
                np.testing.assert_array_equal(reader.newest().overlay(), heat)
                np.testing.assert_array_equal(reader.newest().picture(), NOISE)
            with self.subTest("floats"):
                run.frame(NOISE, overlay=np.array([[-2.0, 0.0, np.nan], [2.0, -1.0, np.inf]]))
                with Reader(run.id) as reader:
                    self.assertEqual(reader.newest().overlay().tolist(), [[0, 127, 0], [255, 63, 0]])
            with self.subTest("all equal"):
                run.frame(NOISE, overlay=np.full((2, 2), 3.5))
                with Reader(run.id) as reader:
                    self.assertEqual(reader.newest().overlay().tolist(), [[0, 0], [0, 0]])

    def test_finish_removes_the_segment(self) -> None:
        run = telebridge.init(self.run_id)
        self.assertFalse(exists(run.id), "nothing is there before the first picture")
        run.frame(NOISE)
        self.assertTrue(exists(run.id))
        run.finish()
        run.finish()
        self.assertFalse(exists(run.id))
        with self.assertRaisesRegex(telebridge.TelebridgeError, "finished"):
            run.frame(NOISE)

    def test_an_error_in_the_loop_finishes_the_run(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            with telebridge.init(self.run_id) as run:
                run.frame(NOISE)
                1 / 0
        self.assertFalse(exists(self.run_id))

    def test_exit_of_the_interpreter_finishes_the_run(self) -> None:
        code = f"""if True:
            import numpy, telebridge
            run = telebridge.init({self.run_id!r})
            run.frame(numpy.zeros((4, 4), "uint8"))
            import os; print(os.path.exists("/dev/shm/mosaic.run.{self.run_id}.fastlane"))
        """
        child = self.start_python(code, stdout=-1)
        self.assertEqual(child.communicate(timeout=30)[0], "True\n")
        self.assertEqual(child.returncode, 0)
        self.assertFalse(exists(self.run_id))

    def test_a_run_that_nobody_holds_any_more_is_removed(self) -> None:
        run = telebridge.init(self.run_id)
        run.frame(NOISE)
        del run
        self.assertFalse(exists(self.run_id))

    def test_default_name_is_the_assigned_one(self) -> None:
        os.environ["TELEBRIDGE_RUN"] = self.run_id
        self.addCleanup(os.environ.pop, "TELEBRIDGE_RUN")
        with telebridge.init(durable=False) as run:
            self.assertEqual(run.id, self.run_id)

    def test_default_name_is_the_script_and_the_time(self) -> None:
        code = "import sys, telebridge; sys.argv[0] = {!r}; print(telebridge.init().id)"
        for script, name in [
            ("-c", "python"),
            ("", "python"),
            ("/home/me/train.py", "train"),
            ("my run (2).py", "my-run-2"),
            ("/lib/trainer/__main__.py", "trainer"),
            ("/lib/ipykernel_launcher.py", "notebook"),
            ("__init__.py", "init"),
            ("x" * 90, "x" * 48),
        ]:
            with self.subTest(script):
                child = self.start_python(code.format(script), stdout=-1)
                self.assertRegex(child.communicate(timeout=30)[0], rf"^{name}-\d{{8}}-\d{{6}}\n$")

    def test_larger_pictures_get_a_larger_ring(self) -> None:
        with telebridge.init(self.run_id) as run:
            for side in (8, 512, 16, 1024, 1300):
                picture = np.full((side, side, 3), side % 256, np.uint8)
                self.assertTrue(run.frame(picture))
                with Reader(run.id) as reader:
                    np.testing.assert_array_equal(reader.newest().picture(), picture)
                    self.assertEqual(reader.status().producer_pid, os.getpid())
            self.assertEqual(run.frames_published, 5)

    def test_numbers_survive_a_larger_ring(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(NOISE[:4, :4], reward=2.0, episode=3)
            run.frame(NOISE, reward=4.0, episode=3)
            with Reader(run.id) as reader:
                hud = reader.hud()
                self.assertEqual((hud.last_reward, hud.episode_return, hud.step), (4.0, 6.0, 2))


if __name__ == "__main__":
    unittest.main()
