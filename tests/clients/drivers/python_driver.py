"""The Python client behind the suite's line protocol (../driver.ts)."""

import json
import sys
import threading
import time
from typing import Any, Dict

import telebridge

run: telebridge.Run


def init(fields: Dict[str, Any]) -> None:
    global run
    run = telebridge.init(fields["run"], tags=fields.get("tags", []), params=fields.get("params"))


def log(fields: Dict[str, Any]) -> None:
    # JSON has no NaN and no infinities; they come as texts.
    run.log({name: float(value) for name, value in fields["values"].items()}, step=fields.get("step"))


def step(fields: Dict[str, Any]) -> None:
    extra = fields.pop("extra", {})
    run.step(**{**fields, "reward": float(fields["reward"])}, **extra)


def episode(fields: Dict[str, Any]) -> None:
    run.episode(
        episode=fields["episode"],
        episode_return=fields["return"],
        length=fields["length"],
        first_step=fields["firstStep"],
        terminated=fields["terminated"],
        truncated=fields["truncated"],
        **fields.get("extra", {}),
    )


def burst(fields: Dict[str, Any]) -> None:
    """Steps and samples `from` to `to`, as fast as it goes."""
    for number in range(fields["from"], fields["to"]):
        run.step(step=number, reward=number / 2)
        run.log({"burst/value": number}, step=number)


def text(fields: Dict[str, Any]) -> None:
    run.text(fields["tag"], fields["text"], step=fields.get("step"), level=fields.get("level", "info"))


def histogram(fields: Dict[str, Any]) -> None:
    run.histogram(fields["series"], bins=fields["edges"], counts=fields["counts"], step=fields.get("step"))


def checkpoint(fields: Dict[str, Any]) -> None:
    run.checkpoint(
        fields["path"], name=fields.get("name"), step=fields.get("step"), metadata=fields.get("metadata")
    )


def answer(fields: Dict[str, Any]) -> None:
    """Commands that answer with what they were given, or fail with it."""

    def handle(args: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("not in the training's thread")
        if fields.get("fails"):
            raise ValueError(args)
        return {"given": args}

    run.on_command(fields["name"], handle)


def turn(fields: Dict[str, Any]) -> None:
    """A moment of the training's loop."""
    time.sleep(0.005)
    for _ in run.inputs():
        pass


COMMANDS = {
    "answer": answer,
    "turn": turn,
    "init": init,
    "log": log,
    "step": step,
    "episode": episode,
    "params": lambda fields: run.params(fields["values"]),
    "text": text,
    "histogram": histogram,
    "checkpoint": checkpoint,
    "burst": burst,
    "flush": lambda fields: run.flush(fields.get("timeoutMs", 10_000) / 1000, synced=fields.get("synced", False)),
    "finish": lambda fields: run.finish(failed=fields.get("failed")),
    "dropped": lambda fields: run.rows_dropped,
}

for line in sys.stdin:
    command = json.loads(line)
    name = command.pop("do")
    try:
        answer = {"result": COMMANDS[name](command)}
    except Exception as error:  # the suite looks at it
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
