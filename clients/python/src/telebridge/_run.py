"""A run: what a training script holds on to."""

from __future__ import annotations

import datetime
import os
import pathlib
import re
import sys
import time
import weakref
from types import TracebackType
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence, Type, Union

import numpy as np

from . import _layout as at
from ._lane import Lane, missing_packages, warn_not_stored
from ._library import TelebridgeError
from ._meter import Meter, whole_number
from ._metadata import metadata_of_this_process
from ._pixels import Picture, overlay_of, picture_of
from ._records import (
    EpisodeSeen,
    Recorder,
    checked_name,
    checkpoint_body,
    histogram_body,
    json_text,
    log_body,
    step_record,
)
from ._ring import Ring, refuse_if_alive
from ._tensors import CudaPicture, cuda_picture_of, is_on_gpu, is_tensor
from .inputs import InputEvent, event_of

RUN_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# How soon a paused run goes on, at the latest.
_PAUSE_NAP_S = 0.005


def assigned_run_id() -> Optional[str]:
    """What ``TELEBRIDGE_RUN`` says: an agent of ``telebridge serve`` publishes under the agent's name."""
    return os.environ.get("TELEBRIDGE_RUN") or None


def default_run_id() -> str:
    """As assigned, else script and time of starting, such as ``train-20261121-142530``."""
    assigned = assigned_run_id()
    if assigned is not None:
        return assigned
    script = pathlib.Path(sys.argv[0] if sys.argv else "")
    stem = script.parent.name if script.stem == "__main__" else script.stem  # python -m PACKAGE
    stem = {"-c": "python", "-": "python", "ipykernel_launcher": "notebook"}.get(stem, stem)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-") or "python"
    return f"{stem[:48]}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def init(
    run: Optional[str] = None,
    *,
    pausable: bool = True,
    durable: bool = True,
    tags: Sequence[str] = (),
    params: Optional[Mapping[str, Any]] = None,
    coalesce_hz: Optional[float] = None,
) -> Run:
    """Starts a run and returns it. It shows up in the viewer with its first picture or number.

    run: its name, 1 to 64 letters, digits, dots, dashes and underscores; by default
        ``TELEBRIDGE_RUN``, else the script's name and the time.
    pausable: whether a viewer's pause button makes :meth:`Run.frame` wait.
    durable: whether numbers, steps, texts and files are stored. That needs grpcio and protobuf.
    tags: words to find the run by.
    params: settings of the run, see :meth:`Run.params`.
    coalesce_hz: of each set of names given to :meth:`Run.log` keep so many values a second at most, the last of each
        time slot; 30 to 60 is plenty for a chart. None keeps all.

    Raises ValueError for a bad name, and RunExistsError when a live process publishes a run of this name. After another
    program that died without holding the owner's lock (docs/ring.md), the first picture waits up to 10 s to be sure.
    """
    started = Run(
        default_run_id() if run is None else run,
        pausable=pausable,
        durable=durable,
        tags=tags,
        coalesce_hz=coalesce_hz,
    )
    if params:
        started.params(params)
    return started


def _let_go(lane: Lane, ring: Ring) -> None:
    """Of a run that nobody holds any more."""
    lane.finish("FINISHED", "")
    ring.close()


class Run:
    """Publishes pictures and numbers of one run, and takes what viewers send back. Made by :func:`init`.

    A context manager: its end is :meth:`finish`, which also happens at the interpreter's exit. Threads and signal
    handlers may share a run; a picture that a handler gives while its thread is publishing another is lost. In a
    forked child it does nothing but warn once. No failure of a viewer or of ``telebridge serve`` makes a method raise
    or wait, but for a pause, which ends within 2 s when the server that asked for it is killed.
    """

    def __init__(
        self,
        run_id: str,
        *,
        pausable: bool = True,
        durable: bool = True,
        tags: Sequence[str] = (),
        coalesce_hz: Optional[float] = None,
    ) -> None:
        if not isinstance(run_id, str) or not RUN_ID_PATTERN.fullmatch(run_id):
            raise ValueError(
                f"the run's name is {run_id!r}; expected 1 to 64 of A-Z a-z 0-9 . _ - with a letter or digit first"
            )
        if coalesce_hz is not None and not coalesce_hz > 0:
            raise ValueError(f"coalesce_hz is {coalesce_hz!r}, expected a number above 0, or None")
        refuse_if_alive(run_id)
        self.id = run_id
        self.pausable = pausable
        self._frames_capped = 0
        self._ring = Ring(run_id)
        self._meter = Meter()
        self._rewards_by_frame = False
        self._finished = False
        self._missing = missing_packages() if durable else []
        self._lane: Optional[Lane] = None
        if durable and not self._missing:
            config = {
                "run_id": run_id,
                "tags": [str(tag) for tag in tags],
                "start_time_unix_ns": time.time_ns(),
                "metadata": metadata_of_this_process(),
            }
            self._lane = Lane(run_id, config, coalesce_hz)
            self._lane.queue.on_forked_write = self._ring.warn_of_fork
            # The lane outlives the run, and has its own exit.
            weakref.finalize(self, _let_go, self._lane, self._ring).atexit = False
        self._recorder = Recorder(self._lane, self._ring, self._meter, coalesce_hz)
        self._episode = self._recorder.episode

    @property
    def frames_published(self) -> int:
        """Pictures copied into shared memory."""
        return self._ring.frames_published

    @property
    def frames_skipped(self) -> int:
        """Pictures that were not taken because of the viewer's cap on pictures per second, or, on a GPU, because two
        before them were still being encoded."""
        return self._frames_capped + self._ring.frames_skipped

    @property
    def frames_lost(self) -> int:
        """Pictures that could not be published; a warning said why."""
        return self._ring.frames_lost

    @property
    def paused(self) -> bool:
        """Whether a viewer asks for a pause now."""
        return self._ring.pause_requested()

    def frame(
        self,
        picture: Any,
        *,
        step: Optional[int] = None,
        reward: Optional[float] = None,
        episode: Optional[int] = None,
        overlay: Optional[np.ndarray] = None,
        stream: int = 0,
    ) -> bool:
        """Shows a picture, as the outcome of one step. Waits while a viewer has the run paused.

        picture: uint8 of shape (height, width, 3) RGB, (height, width, 4) RGBA or (height, width) gray. It is copied,
            so the array may be reused at once; rows may have padding, other strides cost a second copy. Or a tensor
            of the same shape and type that tells by DLPack where it is, as PyTorch's, CuPy's and JAX's do. One in an
            NVIDIA GPU's memory stays there: that GPU converts it, and encodes it where it can, so that H.264 is
            published and the picture never crosses the bus as it is. It must be contiguous but for padding of rows.
        step: the step's number, from 0; by default one more than before.
        reward: what the step brought. Feeds last reward, average over 1 s, and the episode's return.
        episode: the episode's number; another one than before starts a new return.
        overlay: a heat map to lay over the picture, of any shape (rows, columns): uint8, or floats, which are
            spread from their least to their greatest value. Not over a picture that stays on a GPU.
        stream: of a picture on a GPU, the CUDA stream on which it is made and may be overwritten, such as
            torch.cuda.current_stream().cuda_stream; by default the default stream.

        Returns whether the picture was published: False when the viewer's cap on pictures per second skips it, or when
        it is on a GPU and two before it are still being encoded.
        Raises ValueError for another shape or dtype, and for a step or an episode that is no whole number; TypeError
        for one that is no number; and TelebridgeError when the first picture finds no room.
        """
        self._check_unfinished("frame")
        shown = self._takes_turn()
        self._advance(step, reward, episode)
        if shown:
            shown = self._publish(picture, overlay, stream)
        if self.pausable and not self._ring.may_go_on():
            if not shown:
                self._publish(picture, overlay, stream)  # what a person paused at is what they should see
            self._wait_while_paused()
        return shown

    def log(self, values: Mapping[str, Any], *, step: Optional[int] = None) -> None:
        """Stores numbers as points of series, and shows those that have a place over the picture: reward, avg_reward,
        steps_per_second, episode, step, episode_return (or return) and loss. What is set here is not derived any more;
        a reward counts as one of :meth:`frame`'s would, unless frames bring rewards themselves.

        values: by name; names have 1 to 200 bytes of UTF-8 without control characters. Whatever float() takes will do,
            0-d tensors too (which costs what fetching them costs).
        step: where the points belong; by default where frames and steps are, if there were any.

        Never waits. Raises TypeError for a value that is no number, and ValueError for a bad name and for a step or an
        episode that is no whole number from 0 to 2**64 - 1; then none of the values was taken.
        """
        if self._finished:
            self._check_unfinished("log")
        if self._missing:
            self._warn_not_stored()
        self._recorder.log(values, step, self._rewards_by_frame)

    def step(
        self,
        *,
        step: Optional[int] = None,
        reward: Optional[float] = None,
        episode: Optional[int] = None,
        terminated: bool = False,
        truncated: bool = False,
        **extra: Any,
    ) -> None:
        """Stores one step of the environment.

        step: its number, from 0; by default one more than before, or that of the picture where pictures are shown too.
        reward: what it brought. Counts over the picture, unless frames bring rewards themselves.
        episode: its episode's number; by default the one before.
        terminated, truncated: whether the episode ended with it, by its own rules or cut off.
        extra: whatever else belongs to it, as JSON.

        Never waits. Raises TypeError and ValueError as :meth:`frame` does.
        """
        self._check_unfinished("step")
        self._answer_commands()
        if step is not None:
            step = whole_number(step, "run.step: step")
        if episode is not None:
            episode = whole_number(episode, "run.step: episode")
        if reward is not None:
            reward = float(reward)
        extra_json = json_text(extra) if extra else b""
        meter = self._meter
        if step is None and self._ring.frames_published:
            step = meter.step
        now_s = time.monotonic()
        meter.advance(now_s, step, None if self._rewards_by_frame else reward, episode)
        self._recorder.counts_steps = True
        if self._ring.is_open:
            self._ring.set_hud(meter.values(now_s))
        if self._can_store():
            self._store_step(meter.step, reward, meter.episode, terminated, truncated, extra_json)

    def episode(
        self,
        *,
        episode: Optional[int] = None,
        episode_return: Optional[float] = None,
        length: Optional[int] = None,
        first_step: Optional[int] = None,
        start_time_unix_ns: Optional[int] = None,
        terminated: Optional[bool] = None,
        truncated: Optional[bool] = None,
        **extra: Any,
    ) -> None:
        """Stores an episode that has ended. What is not given is what :meth:`step` has seen since the one before: the
        sum of its rewards, the number of its steps, the first of them, when it began, and how it ended."""
        self._check_unfinished("episode")
        given = {
            "start_time_unix_ns": start_time_unix_ns if start_time_unix_ns is None else int(start_time_unix_ns),
            "first_step": first_step if first_step is None else whole_number(first_step, "run.episode: first_step"),
            "length": length if length is None else whole_number(length, "run.episode: length"),
            "episode_return": episode_return if episode_return is None else float(episode_return),
            "terminated": terminated if terminated is None else bool(terminated),
            "truncated": truncated if truncated is None else bool(truncated),
            "extra_json": json_text(extra).decode() if extra else "",
        }
        number = self._meter.episode if episode is None else whole_number(episode, "run.episode: episode")
        known = {name: value for name, value in given.items() if value is not None}
        self._store_episode(number, self._episode, **known)

    def params(self, params: Mapping[str, Any]) -> None:
        """Stores settings of the run; the last value given for a name holds. Values are stored as JSON; what has none,
        as its text. Raises ValueError for a bad name."""
        self._check_unfinished("params")
        bodies = [
            {"key": checked_name(str(key), "run.params"), "value_json": json_text(value).decode()}
            for key, value in params.items()
        ]
        for body in bodies:
            self._store(at.KIND_PARAMS, body)

    def text(self, tag: str, text: str, *, step: Optional[int] = None, level: str = "info") -> None:
        """Stores a text, such as a line of a log or a sample of what a model says. Beyond 1 MiB it is cut.

        tag: where it comes from. level: debug, info, warning or error. Raises ValueError for a bad tag or level."""
        self._check_unfinished("text")
        self._store(at.KIND_LOGS, log_body(tag, text, step, level))

    def histogram(
        self,
        name: str,
        values: Any = None,
        *,
        bins: Union[int, Sequence[float]] = 64,
        counts: Optional[Sequence[int]] = None,
        step: Optional[int] = None,
    ) -> None:
        """Stores how values are distributed: of `values` (any array; what is not finite is left out) in so many bins, or
        between the given edges; or `counts` that were made elsewhere, with their edges as `bins`. Raises ValueError."""
        self._check_unfinished("histogram")
        self._store(at.KIND_HISTOGRAMS, histogram_body(name, values, bins, counts, step))

    def checkpoint(
        self,
        path: Union[str, "os.PathLike[str]"],
        *,
        step: Optional[int] = None,
        name: Optional[str] = None,
        metadata: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """Stores a file, under its own name or `name`. It is read in the background: it may be deleted or replaced by
        another after a moment, but must not be overwritten in place before :meth:`flush`. Raises OSError if it cannot
        be read."""
        self._check_unfinished("checkpoint")
        self._store(at.KIND_CHECKPOINTS, checkpoint_body(path, step, name, metadata))

    def flush(self, timeout: float = 10.0, *, synced: bool = False) -> bool:
        """Waits until all that was stored so far is acknowledged: committed, so that it survives the end of any
        process, or `synced`, so that it survives a loss of power.

        timeout: in seconds. Returns whether it is; False when not by then, when rows were dropped, and when this run
        stores nothing."""
        if self._lane is None:
            return False
        self._recorder.write_due(at.FOREVER_NS)
        return self._lane.flush(timeout, synced)

    @property
    def rows_dropped(self) -> int:
        """Rows that found no room in the queue to the sender; a line on stderr said so."""
        return self._lane.counts()["dropped"] if self._lane else 0

    @property
    def values_coalesced(self) -> int:
        """Values that ``coalesce_hz`` left out."""
        return self._lane.counts()["coalesced"] if self._lane else 0

    def on_command(self, name: str, handler: Callable[[Any], Any]) -> None:
        """Answers a named command of viewers: `handler` is called with what came as JSON, and returns what JSON can
        hold; an exception is the answer of a command that failed. It is called in the training's own thread, by
        :meth:`frame`, :meth:`step` and :meth:`inputs`, or while the run is paused. Who asked waits for 10 s; a command
        that comes to its turn later is carried out all the same.

        name: 1 to 128 characters; 64 names at most, else ValueError. Needs what storing needs (``durable``)."""
        self._check_unfinished("on_command")
        if self._can_store():
            assert self._lane is not None
            self._lane.commands.add(name, handler)
            self._lane.start()

    def inputs(self) -> Iterator[InputEvent]:
        """What viewers with control sent since the last call, oldest first; never waits. See telebridge.inputs."""
        self._answer_commands()
        for record in self._ring.take_inputs():
            event = event_of(record)
            if event is not None:
                yield event

    def finish(self, *, failed: Optional[str] = None) -> None:
        """Ends the run and removes its shared memory; in a signal handler amid another call of the run, at that call's
        end. What is not sent yet is sent by a process of its own. A second call does nothing, and a :meth:`frame` of
        another thread that is under way returns False.

        failed: why the run failed; None: it did not."""
        self._finished = True
        if self._lane is not None:
            self._lane.finish("FINISHED" if failed is None else "FAILED", failed or "")
        self._ring.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.finish(failed=None if kind is None else f"{kind.__name__}: {error}")

    def __repr__(self) -> str:
        state = "finished" if self._finished else f"{self.frames_published} frames"
        return f"<telebridge.Run {self.id!r}, {state}>"

    # ---- Shared with the environment wrappers ------------------------------------------------------------------

    def _answer_commands(self) -> None:
        if self._lane is not None:
            self._lane.answer_commands()

    def _takes_turn(self) -> bool:
        self._answer_commands()
        if self._ring.takes_turn():
            return True
        self._frames_capped += 1
        return False

    def _advance(self, step: Optional[int], reward: Optional[float], episode: Optional[int]) -> None:
        if step is not None:
            step = whole_number(step, "run.frame: step")
        if episode is not None:
            episode = whole_number(episode, "run.frame: episode")
        if reward is not None:
            reward = float(reward)
            self._rewards_by_frame = True
        now_s = time.monotonic()
        self._meter.advance(now_s, step, reward, episode)
        self._recorder.counts_steps = True
        self._ring.set_hud(self._meter.values(now_s))
        if self._lane is not None and not self._lane.is_started:
            self._lane.start()

    def _publish(self, picture: Any, overlay: Optional[np.ndarray], stream: int = 0) -> bool:
        """Publishes a picture of where the meter is."""
        meter = self._meter
        heat = None if overlay is None else overlay_of(overlay)
        shown: Union[Picture, CudaPicture]
        if not isinstance(picture, np.ndarray) and is_tensor(picture) and is_on_gpu(picture):
            if heat is not None:
                raise ValueError("a picture on a GPU takes no overlay; picture.cpu() does")
            shown = cuda_picture_of(picture, stream)
        else:
            shown = picture_of(picture)
        return self._ring.publish(shown, heat, meter.step, meter.episode, meter.last_reward, time.monotonic())

    def _wait_while_paused(self) -> None:
        while not self._finished and not self._ring.may_go_on():
            self._answer_commands()
            time.sleep(_PAUSE_NAP_S)

    def _check_unfinished(self, method: str) -> None:
        if self._finished:
            raise TelebridgeError(f'run "{self.id}" is finished: {method}() came after finish()')

    def _can_store(self) -> bool:
        if self._missing:
            self._warn_not_stored()
        return self._lane is not None

    def _warn_not_stored(self) -> None:
        missing, self._missing = self._missing, []
        warn_not_stored(self.id, missing)

    def _store(self, kind: int, body: Mapping[str, Any]) -> None:
        if self._can_store():
            assert self._lane is not None
            self._lane.write_json(kind, body)

    def _store_step(
        self,
        step: int,
        reward: Optional[float],
        episode: int,
        terminated: bool,
        truncated: bool,
        extra_json: bytes = b"",
        seen: Optional[EpisodeSeen] = None,
    ) -> None:
        assert self._lane is not None
        time_ns = time.time_ns()
        (self._episode if seen is None else seen).add(step, reward, terminated, truncated, time_ns)
        self._lane.write(step_record(time_ns, step, reward, episode, terminated, truncated, extra_json))
        self._lane.start()

    def _store_episode(self, number: int, seen: EpisodeSeen, **given: Any) -> None:
        self._store(at.KIND_EPISODES, {**seen.body(number), **given})
        seen.begin()
