"""CartPole by hill climbing: a linear policy is changed a little at random, and the change is kept if it was better.

All that telebridge needs is the one line with `wrap`. Most seeds balance for all of the 500 steps within 200 episodes.
"""

import time

import gymnasium
import numpy as np

import options
import telebridge


def main():
    given = options.parse(__doc__, run="cartpole", fps=30)
    random = np.random.default_rng(given.seed)
    env = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    env = telebridge.wrap(env, given.run, fps=given.fps or None)

    best_policy, best_return, spread = np.zeros(4), -np.inf, 1.0
    policy, episode_return = best_policy, 0.0
    observation, _ = env.reset(seed=given.seed)
    for _ in range(given.steps):
        observation, reward, terminated, truncated, _ = env.step(int(policy @ observation > 0))
        episode_return += reward
        if terminated or truncated:
            if episode_return >= best_return:
                best_policy, best_return = policy, episode_return
                spread = max(0.05, spread / 2)
            else:
                spread = min(2.0, spread * 1.2)
            # What balances already is left alone, and watched.
            keeps = best_return == 500
            policy = best_policy if keeps else best_policy + spread * random.normal(size=4)
            episode_return = 0.0
            observation, _ = env.reset()
        if given.fps:
            time.sleep(0.02)  # the time that one step of CartPole stands for
    options.finish(given, env.render())
    env.close()


if __name__ == "__main__":
    options.until_ctrl_c(main)
