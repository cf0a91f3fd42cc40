"""A trainer that shows and logs until Ctrl-C: ``trainer.py RUN``. Every pixel of picture `step` is (step % 251, 7, 99)."""

import contextlib
import sys
import time

import numpy as np
import telebridge

with contextlib.suppress(KeyboardInterrupt), telebridge.init(sys.argv[1]) as run:
    step = 0
    while True:
        step += 1
        run.frame(np.full((120, 160, 3), (step % 251, 7, 99), np.uint8), step=step)
        run.log({"train/loss": 1 / step}, step=step)
        if step == 1:
            print("ready", flush=True)
        time.sleep(1 / 30)
