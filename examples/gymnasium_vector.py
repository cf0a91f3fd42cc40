"""Eight CartPoles in one picture, by the cross-entropy method: each environment tries a policy of its own, and the
best ones make the next eight. They are watched as a mosaic, since one stream costs less than eight.
"""

import time

import gymnasium
import numpy as np

import options
import telebridge

ENVIRONMENTS, ELITE = 8, 3


def main():
    given = options.parse(__doc__, run="cartpole-vector", fps=30)
    random = np.random.default_rng(given.seed)
    envs = gymnasium.make_vec("CartPole-v1", num_envs=ENVIRONMENTS, render_mode="rgb_array")
    envs = telebridge.wrap(envs, given.run, fps=given.fps or None, columns=4, shrink=2)

    mean, spread = np.zeros(4), np.ones(4)
    policies = mean + spread * random.normal(size=(ENVIRONMENTS, 4))
    returns = np.zeros(ENVIRONMENTS)
    is_done = np.zeros(ENVIRONMENTS, bool)
    observations, _ = envs.reset(seed=given.seed)
    for _ in range(given.steps):
        actions = (np.einsum("ij,ij->i", policies, observations) > 0).astype(int)
        observations, rewards, terminated, truncated, _ = envs.step(actions)
        returns += np.where(is_done, 0, rewards)  # an environment that is done plays on, for show
        is_done |= terminated | truncated
        if is_done.all():
            elite = policies[np.argsort(returns)[-ELITE:]]
            mean, spread = elite.mean(axis=0), elite.std(axis=0) + 0.05
            policies = mean + spread * random.normal(size=(ENVIRONMENTS, 4))
            returns[:], is_done[:] = 0, False
        if given.fps:
            time.sleep(0.02)  # the time that one step of CartPole stands for
    options.finish(given, telebridge.tile(envs.render(), columns=4, shrink=2))
    envs.close()


if __name__ == "__main__":
    options.until_ctrl_c(main)
