"""telebridge.wrap: environments that are not Gymnasium's, and Gymnasium's own where it is installed."""

import importlib.util
import unittest

import numpy as np
import telebridge
from helpers import PATIENCE_S, RunTest, wait_for
from native import Reader, controlling, exists

HAS_GYMNASIUM = importlib.util.find_spec("gymnasium") is not None


class Corridor:
    """An environment of our own: n steps to the right, each with a reward of 0.5; the picture's brightness is the place."""

    def __init__(self, length: int = 3) -> None:
        self.length = length
        self.place = 0
        self.closed = False
        self.renders = 0

    def reset(self, *, seed=None):
        self.place = 0
        return self.place, {"seed": seed}

    def step(self, action):
        self.place += action
        return self.place, 0.5, self.place >= self.length, False, {}

    def render(self):
        self.renders += 1
        return np.full((6, 8, 3), self.place % 256, np.uint8)

    def close(self):
        self.closed = True


class WrapPlain(RunTest):
    def test_does_what_the_environment_does_and_shows_it(self) -> None:
        corridor = Corridor()
        env = telebridge.wrap(corridor, self.run_id, fps=None)
        self.assertEqual(env.reset(seed=3), (0, {"seed": 3}))
        with Reader(self.run_id) as reader:
            self.assertEqual(reader.newest().header.step, 0)
            for place in (1, 2, 3):
                self.assertEqual(env.step(1), (place, 0.5, place == 3, False, {}))
                frame = reader.newest()
                self.assertEqual((frame.header.step, frame.header.episode, frame.header.reward), (place, 1, 0.5))
                self.assertTrue((frame.picture() == place).all())
            self.assertEqual(reader.hud().episode_return, 1.5)
            env.reset()
            self.assertEqual((reader.hud().episode, reader.hud().episode_return, reader.hud().step), (2, 0.0, 3))
            self.assertTrue((reader.newest().picture() == 0).all())
        self.assertEqual(env.length, 3, "what the wrapper has not is the environment's")
        env.close()
        self.assertTrue(corridor.closed)
        self.assertFalse(exists(self.run_id))

    def test_draws_no_more_often_than_asked_for(self) -> None:
        corridor = Corridor(length=10**9)
        env = telebridge.wrap(corridor, self.run_id, fps=0.001)
        env.reset()
        for _ in range(500):
            env.step(1)
        self.assertEqual(corridor.renders, 1)
        with Reader(self.run_id) as reader:
            self.assertEqual(reader.hud().step, 500, "the numbers go on")
            with controlling(self.run_id) as controller:
                controller.pause(True)
                thread = self.in_thread(lambda: env.step(1))
                wait_for("the step that it paused at", lambda: reader.newest().header.step == 501)
                controller.pause(False)
                thread.join(PATIENCE_S)
        env.close()

    def test_a_run_of_the_caller_s_outlives_the_environment(self) -> None:
        with telebridge.init(self.run_id) as run:
            env = telebridge.wrap(Corridor(), run)
            self.assertIs(env.run, run)
            env.reset()
            env.close()
            self.assertTrue(exists(self.run_id))

    def test_another_render_mode_is_refused(self) -> None:
        corridor = Corridor()
        corridor.render_mode = "human"
        with self.assertRaisesRegex(ValueError, "render_mode='human'; make it with render_mode=\"rgb_array\""):
            telebridge.wrap(corridor, self.run_id)


@unittest.skipUnless(HAS_GYMNASIUM, "Gymnasium is not installed and PyPI could not be reached")
class WrapGymnasium(RunTest):
    def setUp(self) -> None:
        global gymnasium
        import gymnasium

        # Its first picture imports pygame, whose own warnings are not ours to answer for.
        gymnasium.make("CartPole-v1", render_mode="rgb_array").reset()
        super().setUp()

    def test_cartpole(self) -> None:
        env = telebridge.wrap(gymnasium.make("CartPole-v1", render_mode="rgb_array"), self.run_id, fps=None)
        twin = gymnasium.make("CartPole-v1", render_mode="rgb_array")
        self.assertIsInstance(env, gymnasium.Wrapper)
        self.assertEqual(env.spec.id, "CartPole-v1")
        np.testing.assert_array_equal(env.reset(seed=5)[0], twin.reset(seed=5)[0])
        with Reader(self.run_id) as reader:
            for step in range(1, 9):
                ours, theirs = env.step(step % 2), twin.step(step % 2)
                np.testing.assert_array_equal(ours[0], theirs[0])
                frame = reader.newest()
                self.assertEqual((frame.header.step, frame.header.episode, frame.header.reward), (step, 1, 1.0))
                np.testing.assert_array_equal(frame.picture(), twin.render())
            self.assertEqual(reader.hud().episode_return, 8.0)
        # Gymnasium's own wrappers go around it.
        around = gymnasium.wrappers.TimeLimit(env, 2)
        around.reset()
        self.assertFalse(around.step(0)[3])
        self.assertTrue(around.step(0)[3])
        around.close()
        self.assertFalse(exists(self.run_id))

    def test_a_vector_is_a_mosaic(self) -> None:
        envs = telebridge.wrap(
            gymnasium.make_vec("CartPole-v1", num_envs=8, render_mode="rgb_array"),
            self.run_id,
            fps=None,
            columns=4,
            shrink=2,
        )
        self.assertIsInstance(envs, gymnasium.vector.VectorWrapper)
        envs.reset(seed=1)
        with Reader(self.run_id) as reader:
            for step in range(1, 30):
                envs.step(np.zeros(8, np.int64))
                self.assertEqual(reader.hud().step, 8 * step)
            frame = reader.newest()
            self.assertEqual(frame.picture().shape, (2 * 200, 4 * 300, 3))
            np.testing.assert_array_equal(
                frame.picture()[200:, 900:], envs.render()[7][::2, ::2], "the last one is at the lower right"
            )
            self.assertGreater(reader.hud().episode, 8, "poles pushed one way fall")
        envs.close()

    def test_default_name_is_the_environment_s(self) -> None:
        env = telebridge.wrap(gymnasium.make("CartPole-v1", render_mode="rgb_array"))
        self.assertRegex(env.run.id, r"^CartPole-v1-\d{8}-\d{6}$")
        env.close()

    def test_no_render_mode_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "render_mode=None"):
            telebridge.wrap(gymnasium.make("CartPole-v1"), self.run_id)


if __name__ == "__main__":
    unittest.main()
