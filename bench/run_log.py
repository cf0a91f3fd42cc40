"""What run.log costs the training loop: `run_log.py CALLS`, one JSON line on stdout.

The server is whatever the environment leads to: bench/run_log.ts starts one, a slow one, or none. The loop also does some
work of numpy's, as training does, and has numbers for the caches to lose. Beside it stands a bare list.append of the
same dictionary.
"""

import json
import os
import sys
import time

import numpy as np
import telebridge


def percentiles_us(samples_ns):
    ordered = np.sort(np.asarray(samples_ns))
    return {name: float(ordered[int(share * (len(ordered) - 1))]) / 1e3 for name, share in (("p50", 0.5), ("p99", 0.99))}


def main() -> None:
    calls = int(sys.argv[1])
    run = telebridge.init(f"bench-log-{os.getpid()}")
    weights = np.random.default_rng(1).standard_normal((64, 64), dtype=np.float32)
    logged, peer = [], []
    appended = []
    # The sender's start is not the loop's.
    run.log({"warm": 1.0}, step=0)
    end_of_start_s = time.monotonic() + 1.5
    while time.monotonic() < end_of_start_s:
        run.log({"warm": 1.0}, step=0)
        time.sleep(0.01)
    clock_ns = time.perf_counter_ns
    for step in range(calls):
        weights = np.tanh(weights @ weights * 0.01)
        value = float(weights[0, 0])
        values = {
            "loss/policy": value,
            "loss/value": value + 1,
            "loss/entropy": 0.5,
            "charts/learning_rate": 1e-3,
            "charts/sps": step,
            "charts/return": 3.0,
            "losses/kl": 0.01,
            "losses/clip": 0.2,
            "losses/variance": np.float32(0.3),
            "losses/grad_norm": 0.7,
        }
        began_ns = clock_ns()
        run.log(values, step=step)
        logged_ns = clock_ns()
        appended.append(dict(values))
        ended_ns = clock_ns()
        logged.append(logged_ns - began_ns)
        peer.append(ended_ns - logged_ns)
    counts = run._lane.counts()
    print(json.dumps({"log": percentiles_us(logged), "append": percentiles_us(peer), "counts": counts}), flush=True)


if __name__ == "__main__":
    main()
