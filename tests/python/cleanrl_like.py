"""A script in the manner of CleanRL: what it imports, makes, writes and records, without the learning."""

import argparse
import time

import gymnasium as gym
import numpy as np
from tensorboardX import SummaryWriter


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--env-id", default="CartPole-v1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--capture-video", action="store_true")
    parser.add_argument("--episodes", type=int, default=2)
    parser.add_argument("--fail", action="store_true")
    return parser.parse_args()


def make_env(env_id, idx, capture_video, run_name):
    def thunk():
        if capture_video and idx == 0:
            env = gym.make(env_id, render_mode="rgb_array")
            env = gym.wrappers.RecordVideo(env, f"videos/{run_name}")
        else:
            env = gym.make(env_id)
        return gym.wrappers.RecordEpisodeStatistics(env)

    return thunk


if __name__ == "__main__":
    args = parse_args()
    run_name = f"{args.env_id}__cleanrl_like__{args.seed}__{int(time.time())}"
    writer = SummaryWriter(f"runs/{run_name}")
    rows = "\n".join(f"|{key}|{value}|" for key, value in vars(args).items())
    writer.add_text("hyperparameters", f"|param|value|\n|-|-|\n{rows}")
    env = make_env(args.env_id, 0, args.capture_video, run_name)()
    make_env(args.env_id, 1, args.capture_video, run_name)().close()
    global_step = 0
    for _ in range(args.episodes):
        env.reset(seed=args.seed)
        while True:
            _, _, terminated, truncated, info = env.step(global_step % 2)
            global_step += 1
            if terminated or truncated:
                break
        writer.add_scalar("charts/episodic_return", info["episode"]["r"], global_step)
        writer.add_scalar("charts/episodic_length", info["episode"]["l"], global_step)
        writer.add_scalar("losses/value_loss", np.float32(0.5), global_step)
        writer.add_histogram("weights", np.linspace(0, 1, 100), global_step)
    writer.add_text("notes", "the end", global_step)
    if args.fail:
        raise RuntimeError("as asked for")
    env.close()
    writer.close()
    print(run_name)
