"""A trainer that shows pictures until Ctrl-C: ``remote_worker.py RUN WIDTH HEIGHT``. Every pixel of picture `step` is
(step % 251, 7, 99), and each input event is a line on stdout."""

import contextlib
import os
import sys
import time

import numpy as np
import telebridge

run_id, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with contextlib.suppress(KeyboardInterrupt), telebridge.init(run_id) as run:
    step = 0
    print("ready", os.getpid(), flush=True)
    while True:
        step += 1
        picture = np.full((height, width, 3), (step % 251, 7, 99), np.uint8)
        run.frame(picture, step=step, reward=step / 2)
        for event in run.inputs():
            print(event, flush=True)
        time.sleep(1 / 30)
