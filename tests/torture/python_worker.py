"""Logs steps and writes down how far it is, to be killed: python_worker.py RUN LEDGER BASE STEPS_PER_SECOND [LAST].

The step numbers are BASE + 1, BASE + 2, … The ledger is the number of steps logged, u64 little-endian: what was logged
must be stored, whoever is killed then. With LAST it logs so many, waits until they are acknowledged, and ends.
"""

import mmap
import pathlib
import struct
import sys
import time

import telebridge


def main() -> None:
    run_id, ledger_path, base, rate = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    last = int(sys.argv[5]) if len(sys.argv) > 5 else None
    ledger_path.write_bytes(bytes(8))
    with open(ledger_path, "r+b") as file:
        ledger = mmap.mmap(file.fileno(), 8)
    run = telebridge.init(run_id)
    count = 0
    while last is None or count < last:
        count += 1
        run.step(step=base + count, reward=-float(count), episode=count // 1000)
        struct.pack_into("<Q", ledger, 0, count)
        time.sleep(1 / rate)
    if not run.flush(timeout=60):
        sys.exit("not acknowledged within 60 s")
    run.finish()


if __name__ == "__main__":
    main()
