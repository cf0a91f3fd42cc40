"""The numbers over the picture: derived from steps and rewards, or the worker's own."""

import math
import time
import unittest

import numpy as np
import telebridge
from helpers import RunTest
from native import Reader
from telebridge._meter import Meter

PICTURE = np.zeros((4, 4), np.uint8)


class Numbers(RunTest):
    def test_derived_from_frames(self) -> None:
        with telebridge.init(self.run_id) as run:
            for reward in (1.0, 2.0, 6.0):
                run.frame(PICTURE, reward=reward, episode=1)
            with Reader(self.run_id) as reader:
                hud = reader.hud()
                self.assertEqual((hud.last_reward, hud.avg_reward_1s, hud.episode_return), (6.0, 3.0, 9.0))
                self.assertEqual((hud.step, hud.episode), (3, 1))
                self.assertTrue(math.isnan(hud.loss))
                self.assertGreater(hud.step_rate_hz, 0)
                run.frame(PICTURE, reward=0.5, episode=2)
                self.assertEqual(reader.hud().episode_return, 0.5)

    def test_the_worker_s_own(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(PICTURE, reward=1.0)
            run.log({"loss": np.float32(0.25), "return": 17, "avg_reward": 3, "steps_per_second": 1e6}, step=900)
            run.log({"episode": np.array(5)})
            with Reader(self.run_id) as reader:
                hud = reader.hud()
                self.assertEqual((hud.loss, hud.episode_return, hud.avg_reward_1s), (0.25, 17.0, 3.0))
                self.assertEqual((hud.step_rate_hz, hud.step, hud.episode), (1e6, 900, 5))
                self.assertEqual(hud.last_reward, 1.0)
                run.frame(PICTURE, reward=2.0)
                hud = reader.hud()
                self.assertEqual((hud.episode_return, hud.avg_reward_1s), (17.0, 3.0), "what was set stays")
                self.assertEqual((hud.step, hud.last_reward), (901, 2.0))

    def test_rewards_by_log_alone(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(PICTURE)
            for reward in (1, 3):
                run.log({"reward": reward})
            with Reader(self.run_id) as reader:
                hud = reader.hud()
                self.assertEqual((hud.last_reward, hud.avg_reward_1s, hud.episode_return), (3.0, 2.0, 4.0))

    def test_a_reward_that_frames_bring_is_not_counted_twice(self) -> None:
        with telebridge.init(self.run_id) as run:
            for _ in range(3):
                run.frame(PICTURE, reward=1.0)
                run.log({"reward": 1.0})
            with Reader(self.run_id) as reader:
                self.assertEqual(reader.hud().episode_return, 3.0)

    def test_numbers_before_the_first_picture_wait_for_it(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.log({"loss": 2.0})
            run.frame(PICTURE)
            with Reader(self.run_id) as reader:
                self.assertEqual(reader.hud().loss, 2.0)

    def test_steps_and_episodes_of_other_types(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(PICTURE, step=7.0, episode=np.float32(2))
            run.log({"episode": np.array(3.0)}, step=np.int64(2**62))
            with Reader(self.run_id) as reader:
                self.assertEqual((reader.newest().header.step, reader.newest().header.episode), (7, 2))
                self.assertEqual((reader.hud().step, reader.hud().episode), (2**62, 3))

    def test_a_step_that_is_no_whole_number_is_refused_and_forgotten(self) -> None:
        with telebridge.init(self.run_id) as run:
            run.frame(PICTURE, step=1, episode=1)
            for value, error in [
                (1.5, ValueError),
                (math.nan, ValueError),
                (math.inf, ValueError),
                (-1, ValueError),
                (2**64, ValueError),
                ("7", TypeError),
                ([7], TypeError),
            ]:
                for name in ("step", "episode"):
                    with self.subTest(name, value=value):
                        with self.assertRaisesRegex(error, rf"run\.frame: {name} is .*, expected a whole number"):
                            run.frame(PICTURE, **{name: value})
                        with self.assertRaisesRegex(error, rf"run\.log: '{name}' is .*, expected a whole number"):
                            run.log({"loss": 5.0, name: value})
                with self.assertRaisesRegex(error, "run.log: step is"):
                    run.log({"loss": 5.0}, step=value)
            self.assertTrue(run.frame(PICTURE))
            with Reader(self.run_id) as reader:
                hud = reader.hud()
                self.assertEqual((hud.step, hud.episode), (2, 1))
                self.assertTrue(math.isnan(hud.loss), "one bad value, and none is taken")

    def test_steps_per_second_by_the_clock(self) -> None:
        with telebridge.init(self.run_id) as run:
            began_s = time.monotonic()
            for step in range(4, 600, 4):
                run.frame(PICTURE, step=step)
                time.sleep(0.01)
            rate = 592 / (time.monotonic() - began_s)
            with Reader(self.run_id) as reader:
                # Over the last second only, and on a busy machine: near it.
                self.assertTrue(0.5 * rate < reader.hud().step_rate_hz < 2 * rate)


class MeterWindow(unittest.TestCase):
    """The meter with a clock of the test's."""

    def test_the_window_is_the_last_second(self) -> None:
        meter = Meter()
        for tick in range(1000):
            meter.advance(tick * 0.01, None, 1.0 if tick < 500 else 3.0, 1)
        _, average, rate, _, step, total, _ = meter.values(9.99)
        self.assertEqual((average, step, total), (3.0, 1000, 2000.0))
        self.assertAlmostEqual(rate, 100, delta=5)

    def test_going_on_from_a_checkpoint_is_no_burst(self) -> None:
        meter = Meter()
        meter.advance(0.0, 1_000_000, None, None)
        meter.advance(0.5, 1_000_010, None, None)
        self.assertEqual(meter.values(0.5)[2], 22.0)

    def test_steps_that_go_back_are_no_negative_rate(self) -> None:
        meter = Meter()
        for step in (100, 101, 5, 6):
            meter.advance(0.0, step, None, None)
        self.assertGreaterEqual(meter.values(0.0)[2], 0)
        self.assertEqual(meter.step, 6)

    def test_a_long_break_empties_the_window(self) -> None:
        meter = Meter()
        for tick in range(100):
            meter.advance(tick * 0.01, None, 1.0, 1)
        meter.advance(60.0, None, 5.0, 1)
        _, average, rate, *_ = meter.values(60.0)
        self.assertEqual((average, rate), (5.0, 1.0))


if __name__ == "__main__":
    unittest.main()
