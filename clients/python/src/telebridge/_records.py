"""Turns what a trainer reports into the queue's records. Everything here runs on the trainer's own threads: the fewer
instructions, the better."""

from __future__ import annotations

import json
import math
import os
import pathlib
import struct
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Union

import numpy as np

from . import _layout as at
from ._lane import Lane, plain_value
from ._meter import HUD_NAMES, Meter, whole_number
from ._ring import Ring

_NAME_BYTES_MAX = 200
_TEXT_BYTES_MAX = 1 << 20
_LEVELS = ("debug", "info", "warning", "error")
# Of the queue's definitions; beyond it each new set of names is stored one name at a time.
_SETS_SHARE_MAX = 0.5
_CACHED_MAX = 100_000
# How long a new set of names waits for another thread's; a signal handler amid its own thread's would wait for ever.
_DEFINING_S = 0.05


def checked_name(name: Any, what: str) -> str:
    """A name as the store takes it. Raises TypeError and ValueError."""
    if not isinstance(name, str):
        raise TypeError(f"{what}: a name is {name!r}, expected a string")
    length = len(name.encode(errors="surrogatepass"))
    if not 1 <= length <= _NAME_BYTES_MAX or any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise ValueError(f"{what}: a name is {name!r}, expected 1 to {_NAME_BYTES_MAX} bytes without control characters")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what}: a name is {name!r}, which is no UTF-8") from None
    return name


def json_text(value: Any) -> bytes:
    """JSON of anything: arrays as lists, what has no JSON as its text, numbers that have none as null."""
    try:
        return json.dumps(value, default=plain_value, allow_nan=False).encode()
    except ValueError:
        return json.dumps(_without_nan(json.loads(json.dumps(value, default=plain_value)))).encode()


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def step_record(
    time_ns: int,
    step: int,
    reward: Optional[float],
    episode: int,
    terminated: bool,
    truncated: bool,
    extra_json: bytes = b"",
) -> bytes:
    flags = (at.FLAG_TERMINATED if terminated else 0) | (at.FLAG_TRUNCATED if truncated else 0)
    return (
        at.STEP_RECORD.pack(
            at.STEP_RECORD.size + len(extra_json),
            at.KIND_STEPS,
            0,
            time_ns,
            step,
            episode,
            math.nan if reward is None else reward,
            flags,
        )
        + extra_json
    )


def log_body(tag: str, text: str, step: Optional[int], level: str) -> Dict[str, Any]:
    if level not in _LEVELS:
        raise ValueError(f"run.text: level is {level!r}, expected one of {', '.join(_LEVELS)}")
    cut = str(text).encode(errors="replace")[:_TEXT_BYTES_MAX].decode(errors="ignore")
    return {
        "level": level,
        "source": checked_name(tag, "run.text"),
        "text": cut,
        "step": None if step is None else whole_number(step, "run.text: step"),
    }


def histogram_body(
    name: str,
    values: Any,
    bins: Union[int, Sequence[float]],
    counts: Optional[Sequence[int]],
    step: Optional[int],
) -> Dict[str, Any]:
    if (values is None) == (counts is None):
        raise ValueError("run.histogram: give values, or counts with their edges as bins")
    if values is not None:
        array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, float).ravel()
        made, edges = np.histogram(array[np.isfinite(array)], bins=bins)
        counts = made.tolist()
    else:
        edges = np.asarray(bins, float)
    assert counts is not None
    if edges.ndim != 1 or len(edges) != len(counts) + 1 or not np.all(np.diff(edges) > 0):
        raise ValueError(f"run.histogram: {len(counts)} counts need {len(counts) + 1} ascending edges")
    return {
        "series": checked_name(name, "run.histogram"),
        "edges": edges.tolist(),
        "counts": [int(count) for count in counts],
        "step": None if step is None else whole_number(step, "run.histogram: step"),
    }


def checkpoint_body(
    path: Union[str, "os.PathLike[str]"],
    step: Optional[int],
    name: Optional[str],
    metadata: Optional[Mapping[str, Any]],
) -> Dict[str, Any]:
    full_path = pathlib.Path(path).absolute()
    if not full_path.is_file():
        raise FileNotFoundError(f"run.checkpoint: there is no file {full_path}")
    if not os.access(full_path, os.R_OK):
        raise PermissionError(f"run.checkpoint: cannot read {full_path}")
    return {
        "path": str(full_path),
        "name": checked_name(full_path.name if name is None else name, "run.checkpoint"),
        "step": None if step is None else whole_number(step, "run.checkpoint: step"),
        "metadata_json": json_text(dict(metadata)).decode() if metadata else "",
    }


class EpisodeSeen:
    """What steps have told of the present episode."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Another episode begins with the next step."""
        self.start_time_ns = 0
        self.first_step = 0
        self.length = 0
        self.episode_return = 0.0
        self.terminated = False
        self.truncated = False

    def add(self, step: int, reward: Optional[float], terminated: bool, truncated: bool, time_ns: int) -> None:
        if self.length == 0:
            self.start_time_ns, self.first_step = time_ns, step
        self.length += 1
        if reward is not None:
            self.episode_return += reward
        self.terminated, self.truncated = terminated, truncated

    def body(self, number: int) -> Dict[str, Any]:
        """The record of the episode, as ended now."""
        return {
            "episode": number,
            "start_time_unix_ns": self.start_time_ns or time.time_ns(),
            "first_step": self.first_step,
            "length": self.length,
            "episode_return": self.episode_return,
            "terminated": self.terminated,
            "truncated": self.truncated,
            "extra_json": "",
        }


class _Names:
    """A set of names that came together in one call."""

    __slots__ = ("names", "count", "bytes", "number", "pack", "hud", "own_step", "due_ns", "pending")

    def __init__(self, names: Tuple[str, ...], number: Optional[int]) -> None:
        self.names = names
        self.count = len(names)
        form = struct.Struct(f"<IHHqQ{len(names)}d")
        self.bytes = form.size
        #: Of the layout in the queue; None: it has none, each name goes by itself.
        self.number = number
        self.pack: Callable[..., bytes] = form.pack
        self.hud = tuple((name, HUD_NAMES[name]) for name in names if name in HUD_NAMES)
        self.own_step = "step" in names
        self.due_ns = 0
        self.pending: Optional[bytes] = None


class Recorder:
    """`run.log`: to the queue, and over the picture."""

    def __init__(self, lane: Optional[Lane], ring: Ring, meter: Meter, coalesce_hz: Optional[float]) -> None:
        self.episode = EpisodeSeen()
        #: Whether the meter's step is the worker's, so that points without a step belong there.
        self.counts_steps = False
        self._lane = lane
        self._ring = ring
        self._meter = meter
        self._sets: Dict[Tuple[str, ...], _Names] = {}
        self._series: Set[str] = set()
        self._defining = threading.Lock()
        #: A new set of names was met: the sender may not be there yet.
        self._starts = False
        self._slot_ns = int(1e9 / coalesce_hz) if coalesce_hz else 0
        self._coalescing = threading.RLock()
        self._write: Callable[[bytes, int], None] = lane.write if lane is not None else _write_nowhere
        if lane is not None and coalesce_hz:
            lane.write_due = self.write_due

    def log(self, values: Mapping[str, Any], step: Optional[int], rewards_by_frame: bool) -> None:
        """Raises TypeError and ValueError; then nothing was taken."""
        names = self._sets.get(tuple(values))
        if names is None:
            names = self._meet(tuple(values))
        if step is None:
            if names.own_step:
                record_step = whole_number(values["step"], "run.log: 'step'")
            else:
                record_step = self._meter.step if self.counts_steps else at.NO_STEP
        elif type(step) is int and 0 <= step < at.NO_STEP:
            record_step = step
        else:
            record_step = whole_number(step, "run.log: step")
        hud: Sequence[Tuple[str, float]] = ()
        if names.hud:
            hud = _hud_numbers(names, values)
        time_ns = time.time_ns()
        try:
            record = names.pack(
                names.bytes, at.KIND_SAMPLES, names.number or 0, time_ns, record_step, *values.values()
            )
        except Exception:
            _refuse(values)
            raise
        if names.number is None:
            self._log_one_by_one(names, record)
        elif self._slot_ns:
            self._coalesce(names, record, time_ns)
        else:
            self._write(record, names.count)
        if self._starts:
            self._starts = False
            if self._lane is not None:
                self._lane.start()
        if hud or step is not None:
            self._show(hud, record_step if step is not None else None, rewards_by_frame)

    def write_due(self, now_ns: int) -> None:
        """Writes the values that wait for their time slot to end, where it has."""
        if not self._slot_ns:
            return
        with self._coalescing:
            for names in list(self._sets.values()):
                if names.pending is not None and names.due_ns <= now_ns:
                    record, names.pending = names.pending, None
                    self._write(record, names.count)

    def _coalesce(self, names: _Names, record: bytes, time_ns: int) -> None:
        with self._coalescing:
            pending, names.pending = names.pending, None
            if time_ns < names.due_ns:
                names.pending = record
                if pending is not None and self._lane is not None:
                    self._lane.queue.words[at.WORD_ROWS_COALESCED] += names.count
                return
            names.due_ns = time_ns + self._slot_ns
            if pending is not None:
                self._write(pending, names.count)
            self._write(record, names.count)

    def _show(self, hud: Sequence[Tuple[str, float]], step: Optional[int], rewards_by_frame: bool) -> None:
        meter = self._meter
        for hud_name, number in hud:
            if hud_name != "last_reward":
                meter.set(hud_name, number)
            elif not rewards_by_frame:
                meter.add_reward(number)
        if step is not None:
            meter.step = step
        if self._ring.is_open:
            self._ring.set_hud(meter.values(time.monotonic()))

    def _meet(self, names: Tuple[str, ...]) -> _Names:
        """Makes a set of names known to the queue."""
        for name in names:
            checked_name(name, "run.log")
        lane = self._lane
        if lane is None:
            met = _Names(names, 0)
        else:
            met = _Names(names, self._define(lane, names))
            self._starts = True
        if len(self._sets) < _CACHED_MAX:
            self._sets[names] = met
        return met

    def _define(self, lane: Lane, names: Tuple[str, ...]) -> Optional[int]:
        if lane.queue.forked:
            return 0
        if not self._defining.acquire(timeout=_DEFINING_S):
            return None
        try:
            self._series.update(names)
            if len(self._series) >= at.SERIES_MAX:
                self._series.difference_update(names)
                return None
            if len(names) > 1 and lane.queue.definitions_share > _SETS_SHARE_MAX:
                return None
            return lane.queue.define(names)
        finally:
            self._defining.release()

    def _log_one_by_one(self, names: _Names, record: bytes) -> None:
        """For more sets of names than the queue has room for."""
        assert self._lane is not None
        _, _, _, time_ns, step = struct.unpack_from("<IHHqQ", record)
        for name, (value,) in zip(names.names, struct.iter_unpack("<d", record[24:])):
            single = self._sets.get((name,))
            if single is None:
                single = self._meet((name,))
            if single.number is None:
                self._lane.queue.drop(1)
            else:
                self._write(single.pack(single.bytes, at.KIND_SAMPLES, single.number, time_ns, step, value), 1)


def _write_nowhere(record: bytes, rows: int) -> None:
    """Of a run that stores nothing."""


def _hud_numbers(names: _Names, values: Mapping[str, Any]) -> List[Tuple[str, float]]:
    numbers: List[Tuple[str, float]] = []
    for name, hud_name in names.hud:
        value = values[name]
        if hud_name == "step" or hud_name == "episode":
            number: float = whole_number(value, f"run.log: {name!r}")
        else:
            try:
                number = float(value)
            except (TypeError, ValueError):
                raise _no_number(name, value) from None
        numbers.append((hud_name, number))
    return numbers


def _no_number(name: str, value: Any) -> TypeError:
    return TypeError(f"run.log: {name!r} is {value!r}, expected a number")


def _refuse(values: Mapping[str, Any]) -> None:
    """Raises the error that says which value is no number."""
    for name, value in values.items():
        try:
            struct.pack("<d", value)
        except Exception:
            if isinstance(value, int):
                raise ValueError(f"run.log: {name!r} is beyond the largest float") from None
            raise _no_number(name, value) from None
