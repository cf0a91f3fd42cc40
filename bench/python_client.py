"""Logs steps as fast as the interpreter can for some seconds: python_client.py RUN SECONDS.

Prints one line of JSON: rows logged, seconds of logging, seconds until all were acknowledged after that, rows dropped.
"""

import json
import sys
import time

import telebridge

_ROWS_A_LOOK = 100  # at the clock


def main() -> None:
    run_id, seconds = sys.argv[1], float(sys.argv[2])
    run = telebridge.init(run_id)
    rows = 0
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        for _ in range(_ROWS_A_LOOK):
            rows += 1
            run.step(step=rows, reward=0.5, episode=rows // 1000)
    logged = time.monotonic()
    if not run.flush(timeout=120):
        sys.exit("not acknowledged within 120 s")
    acknowledged = time.monotonic()
    figures = {
        "rows": rows,
        "loggingSeconds": logged - started,
        "flushSeconds": acknowledged - logged,
        "rowsDropped": run.rows_dropped,
    }
    print(json.dumps(figures))
    run.finish()


if __name__ == "__main__":
    main()
