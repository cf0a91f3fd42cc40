"""The programs in C: the demo worker learns, draws and ends as it should; so does the C client's example."""

import collections
import itertools
import json
import pathlib
import signal
import statistics
import subprocess
import unittest
from collections.abc import Iterable, Iterator

import numpy as np
from helpers import PATIENCE_S, ROOT, RunTest, wait_for
from native import FLAG_PAUSED, InputRecord, Reader, controlling, exists

MOUNTAIN_CAR = ROOT / "native/build/mountain_car"
C_EXAMPLE = ROOT / "clients/c/build/example"
EPISODES, AT_AN_END = 400, 50
KEY_RIGHT = 0x4F


def comes(values, stretch: list, values_max: int = 20_000) -> bool:
    """Whether a stretch comes up within so many values."""
    last: collections.deque = collections.deque(maxlen=len(stretch))
    for value in itertools.islice(values, values_max):
        last.append(value)
        if list(last) == stretch:
            return True
    return False


def attach(run_id: str) -> Reader:
    wait_for(f"run {run_id}", lambda: exists(run_id))

    def reader():
        try:
            return Reader(run_id)
        except OSError:
            return None  # the header is not ready yet

    return wait_for("a header", reader)


def records(lines: Iterable[str], kind: str) -> Iterator[dict]:
    return (record for record in map(json.loads, lines) if record["type"] == kind)


class MountainCar(RunTest):
    def test_the_mean_return_rises(self) -> None:
        for seed in (1, 2, 3):
            with self.subTest(seed=seed):
                command = [MOUNTAIN_CAR, "--run-id", self.run_id, "--speed", "max", "--steps-per-frame", "200"]
                command += ["--episodes", str(EPISODES), "--seed", str(seed), "--json"]
                done = subprocess.run(command, capture_output=True, text=True, timeout=120)
                self.assertEqual(done.returncode, 0, done.stderr)
                ends = list(records(done.stdout.splitlines(), "episode"))
                self.assertGreaterEqual(len(ends), EPISODES)
                for end in ends:
                    # -1 a step, 0 for the one that reaches the goal.
                    self.assertEqual(end["return"], -end["length"] + end["terminated"])
                returns = [end["return"] for end in ends]
                first, last = statistics.mean(returns[:AT_AN_END]), statistics.mean(returns[-AT_AN_END:])
                self.assertGreater(last, first / 2, f"from {first} to {last}: not half the steps")
                self.assertFalse(exists(self.run_id))

    def test_equal_seeds_give_equal_runs(self) -> None:
        def episodes(seed: int) -> str:
            command = [MOUNTAIN_CAR, "--run-id", self.run_id, "--speed", "max", "--steps-per-frame", "100"]
            command += ["--episodes", "30", "--seed", str(seed), "--json"]
            return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout

        self.assertEqual(episodes(5), episodes(5))
        self.assertNotEqual(episodes(5), episodes(6))

    def test_pictures_numbers_and_value_table(self) -> None:
        child = self.start([MOUNTAIN_CAR, "--run-id", self.run_id, "--speed", "max"], stderr=-1)
        with attach(self.run_id) as reader:
            wait_for("300 frames", lambda: reader.status().head > 300)
            first = reader.newest()
            later = wait_for("another frame", lambda: reader.read(first.header.frame))
            self.assertEqual((first.header.width, first.header.height, first.header.format), (640, 360, 1))
            self.assertFalse(np.array_equal(first.picture(), later.picture()), "the cars move")
            self.assertEqual(later.overlay().shape, (20, 36))
            self.assertGreater(len(np.unique(later.overlay())), 20, "the table has been learned into")
            hud = reader.hud()
            self.assertGreater(hud.step, 0)
            self.assertGreater(hud.step_rate_hz, 0)
            self.assertTrue(-1 <= hud.avg_reward_1s <= 0 and hud.episode_return <= 0 and hud.loss >= 0)
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(PATIENCE_S), 0)
        self.assertFalse(exists(self.run_id))

    def test_sixty_pictures_a_second(self) -> None:
        child = self.start([MOUNTAIN_CAR, "--run-id", self.run_id, "--frames", "120"], stderr=-1)
        with attach(self.run_id) as reader:
            first = wait_for("a frame", lambda: reader.read(0)).header
            frame = wait_for("the hundredth", lambda: reader.read(first.frame + 98))
            seconds = (frame.header.t_mono_ns - first.t_mono_ns) / 1e9
            self.assertGreaterEqual(seconds, (frame.header.frame - first.frame - 1) / 60, "paced")
        self.assertEqual(child.wait(PATIENCE_S), 0)
        self.assertIn("120 pictures", child.stderr.read())

    def test_pause_and_single_step(self) -> None:
        child = self.start([MOUNTAIN_CAR, "--run-id", self.run_id], stderr=-1)
        attach(self.run_id).__exit__()
        with controlling(self.run_id) as controller:
            reader = controller.reader
            controller.pause(True)
            wait_for("the pause", lambda: reader.status().flags & FLAG_PAUSED)
            at = reader.status().head
            controller.single_step()
            wait_for("one step", lambda: reader.status().head == at + 1)
            controller.pause(False)
            wait_for("going on", lambda: reader.status().head > at + 30)
            controller.pause(True)
            wait_for("the second pause", lambda: reader.status().flags & FLAG_PAUSED)
            child.send_signal(signal.SIGTERM)  # seen in a paused run too
            self.assertEqual(child.wait(PATIENCE_S), 0)
        self.assertFalse(exists(self.run_id))

    def test_a_person_drives_with_the_arrow_keys(self) -> None:
        """The engine is too weak for the hill: whoever only holds the right arrow never gets there."""
        command = [MOUNTAIN_CAR, "--run-id", self.run_id, "--cars", "1", "--speed", "max", "--json"]
        child = self.start([*command, "--steps-per-frame", "100"], stdout=-1, stderr=-1)
        reached = (end["terminated"] for end in records(child.stdout, "episode"))
        self.assertTrue(comes(reached, [True] * 20), "it learns to get there")
        with controlling(self.run_id) as controller:
            controller.send(InputRecord(kind=3, code=KEY_RIGHT, buttons=1))
            self.assertTrue(comes(reached, [False] * 10), "held")
            controller.send(InputRecord(kind=6))
            self.assertTrue(comes(reached, [True] * 10), "let go")
        child.send_signal(signal.SIGINT)

    def test_a_second_one_says_who_has_the_name(self) -> None:
        first = self.start([MOUNTAIN_CAR, "--run-id", self.run_id], stderr=-1)
        attach(self.run_id).__exit__()
        second = subprocess.run([MOUNTAIN_CAR, "--run-id", self.run_id], capture_output=True, text=True, timeout=30)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"already published by pid {first.pid}", second.stderr)

    def test_mistakes_in_options(self) -> None:
        for words, message in [
            (["--width", "12"], '--width is "12", expected pixels from 64 to 4096'),
            (["--fps", "many"], '--fps is "many"'),
            (["--speed", "2"], '--speed is "2", expected paced or max'),
            (["here"], 'unexpected "here"'),
            (["--colour"], "--help"),
            (["--run-id", "a/b", "--frames", "1"], "a/b"),
        ]:
            with self.subTest(words):
                done = subprocess.run([MOUNTAIN_CAR, *words], capture_output=True, text=True, timeout=30)
                self.assertIn(done.returncode, (1, 2))
                self.assertIn(message, done.stderr)
        done = subprocess.run([MOUNTAIN_CAR, "--help"], capture_output=True, text=True, timeout=30)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("--steps-per-frame", done.stdout)


class CExample(RunTest):
    def setUp(self) -> None:
        super().setUp()
        subprocess.run(["make", "-C", ROOT / "clients/c"], check=True, stdout=subprocess.DEVNULL)

    def test_pattern_numbers_and_pointer(self) -> None:
        child = self.start([C_EXAMPLE, self.run_id], stderr=-1)
        with attach(self.run_id) as reader, controlling(self.run_id) as controller:
            frame = wait_for("a frame", lambda: reader.read(0))
            self.assertEqual(frame.picture()[10, 20].tolist(), expected_pixel(20, 10, frame.header.step))
            self.assertTrue((frame.picture()[89] == 255).all(), "the cross starts in the middle")
            controller.send(InputRecord(kind=1, x=0.25, y=1.0))
            wait_for("the cross", lambda: (reader.newest().picture()[179] == 255).all())
            self.assertEqual(reader.hud().step_rate_hz, 60)
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(PATIENCE_S), 0)
        self.assertFalse(exists(self.run_id))

    def test_about_sixty_lines(self) -> None:
        lines = pathlib.Path(ROOT / "clients/c/example.c").read_text().splitlines()
        self.assertLessEqual(len(lines), 70)


def expected_pixel(x: int, y: int, step: int) -> list:
    return [(x + step) % 256, y * 255 // 180, ((x ^ y) + 2 * step) % 256]


if __name__ == "__main__":
    unittest.main()
