"""A run: what a training script holds on to."""

from __future__ import annotations

import datetime
import pathlib
import re
import sys
import time
import warnings
from types import TracebackType
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Type

import numpy as np

from ._library import TelebridgeError
from ._meter import HUD_NAMES, Meter, whole_number
from ._pixels import overlay_of, picture_of
from ._ring import Ring, refuse_if_alive
from .inputs import InputEvent, event_of

RUN_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# How soon a paused run goes on, at the latest.
_PAUSE_NAP_S = 0.005


def default_run_id() -> str:
    """Script and time of starting, such as ``train-20261121-142530``."""
    script = pathlib.Path(sys.argv[0] if sys.argv else "")
    stem = script.parent.name if script.stem == "__main__" else script.stem  # python -m PACKAGE
    stem = {"-c": "python", "-": "python", "ipykernel_launcher": "notebook"}.get(stem, stem)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-") or "python"
    return f"{stem[:48]}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def _number(value: Any, hud_name: str, what: str) -> float:
    """A value for the HUD. Raises TypeError, and ValueError for a step or an episode that is no whole number."""
    if hud_name in ("step", "episode"):
        return whole_number(value, what)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{what} is {value!r}, expected a number") from None


def init(run: Optional[str] = None, *, pausable: bool = True) -> Run:
    """Starts a run and returns it. It shows up in the viewer with its first picture.

    run: its name, 1 to 64 letters, digits, dots, dashes and underscores; by default the script's name and the time.
    pausable: whether a viewer's pause button makes :meth:`Run.frame` wait.

    Raises ValueError for a bad name, and RunExistsError when a live process publishes a run of this name. After another
    program that died without holding the owner's lock (docs/ring.md), the first picture waits up to 10 s to be sure.
    """
    return Run(default_run_id() if run is None else run, pausable=pausable)


class Run:
    """Publishes pictures and numbers of one run, and takes what viewers send back. Made by :func:`init`.

    A context manager: its end is :meth:`finish`, which also happens at the interpreter's exit. Threads and signal
    handlers may share a run; a picture that a handler gives while its thread is publishing another is lost. In a
    forked child it does nothing but warn once. No failure of a viewer or of ``telebridge serve`` makes a method raise
    or wait, but for a pause, which ends within 2 s when the server that asked for it is killed.
    """

    def __init__(self, run_id: str, *, pausable: bool = True) -> None:
        if not isinstance(run_id, str) or not RUN_ID_PATTERN.fullmatch(run_id):
            raise ValueError(
                f"the run's name is {run_id!r}; expected 1 to 64 of A-Z a-z 0-9 . _ - with a letter or digit first"
            )
        refuse_if_alive(run_id)
        self.id = run_id
        self.pausable = pausable
        #: Pictures that were not copied because of the viewer's cap on pictures per second.
        self.frames_skipped = 0
        #: Values given to :meth:`log` that only a later version stores, by name.
        self.values_not_stored: Dict[str, int] = {}
        self._ring = Ring(run_id)
        self._meter = Meter()
        self._rewards_by_frame = False
        self._finished = False

    @property
    def frames_published(self) -> int:
        """Pictures copied into shared memory."""
        return self._ring.frames_published

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
        picture: np.ndarray,
        *,
        step: Optional[int] = None,
        reward: Optional[float] = None,
        episode: Optional[int] = None,
        overlay: Optional[np.ndarray] = None,
    ) -> bool:
        """Shows a picture, as the outcome of one step. Waits while a viewer has the run paused.

        picture: uint8 of shape (height, width, 3) RGB, (height, width, 4) RGBA or (height, width) gray. It is copied,
            so the array may be reused at once; rows may have padding, other strides cost a second copy.
        step: the step's number, from 0; by default one more than before.
        reward: what the step brought. Feeds last reward, average over 1 s, and the episode's return.
        episode: the episode's number; another one than before starts a new return.
        overlay: a heat map to lay over the picture, of any shape (rows, columns): uint8, or floats, which are
            spread from their least to their greatest value.

        Returns whether the picture was published: False when the viewer's cap on pictures per second skips it.
        Raises ValueError for another shape or dtype, and for a step or an episode that is no whole number; TypeError
        for one that is no number; and TelebridgeError when the first picture finds no room.
        """
        self._check_unfinished("frame")
        shown = self._takes_turn()
        self._advance(step, reward, episode)
        if shown:
            shown = self._publish(picture, overlay)
        if self.pausable and not self._ring.may_go_on():
            if not shown:
                self._publish(picture, overlay)  # what a person paused at is what they should see
            self._wait_while_paused()
        return shown

    def log(self, values: Mapping[str, Any], *, step: Optional[int] = None) -> None:
        """Sets numbers over the picture: reward, avg_reward, steps_per_second, episode, step, episode_return (or
        return) and loss. What is set here is not derived any more; a reward counts as one of :meth:`frame`'s would,
        unless frames bring rewards themselves. Other names are counted, and kept once the durable lane is there.

        Raises TypeError for a value of the HUD's that is no number, and ValueError for a step or an episode that is no
        whole one from 0 to 2**64 - 1; then none of the values was taken.
        """
        self._check_unfinished("log")
        numbers: List[Tuple[str, float]] = []
        for name, value in values.items():
            hud_name = HUD_NAMES.get(name)
            if hud_name is None:
                self._count_not_stored(name)
                continue
            numbers.append((hud_name, _number(value, hud_name, f"run.log: {name!r}")))
        if step is not None:
            numbers.append(("step", whole_number(step, "run.log: step")))
        for hud_name, number in numbers:
            if hud_name != "last_reward":
                self._meter.set(hud_name, number)
            elif not self._rewards_by_frame:
                self._meter.add_reward(number)
        self._ring.set_hud(self._meter.values(time.monotonic()))

    def inputs(self) -> Iterator[InputEvent]:
        """What viewers with control sent since the last call, oldest first; never waits. See telebridge.inputs."""
        for record in self._ring.take_inputs():
            event = event_of(record)
            if event is not None:
                yield event

    def finish(self) -> None:
        """Ends the run and removes its shared memory; in a signal handler amid another call of the run, at that call's
        end. A second call does nothing, and a :meth:`frame` of another thread that is under way returns False."""
        self._finished = True
        self._ring.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.finish()

    def __repr__(self) -> str:
        state = "finished" if self._finished else f"{self.frames_published} frames"
        return f"<telebridge.Run {self.id!r}, {state}>"

    # ---- Shared with the environment wrappers ------------------------------------------------------------------

    def _takes_turn(self) -> bool:
        if self._ring.takes_turn():
            return True
        self.frames_skipped += 1
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
        self._ring.set_hud(self._meter.values(now_s))

    def _publish(self, picture: np.ndarray, overlay: Optional[np.ndarray]) -> bool:
        """Publishes a picture of where the meter is."""
        meter = self._meter
        heat = None if overlay is None else overlay_of(overlay)
        return self._ring.publish(
            picture_of(picture), heat, meter.step, meter.episode, meter.last_reward, time.monotonic()
        )

    def _wait_while_paused(self) -> None:
        while not self._finished and not self._ring.may_go_on():
            time.sleep(_PAUSE_NAP_S)

    def _check_unfinished(self, method: str) -> None:
        if self._finished:
            raise TelebridgeError(f'run "{self.id}" is finished: {method}() came after finish()')

    def _count_not_stored(self, name: str) -> None:
        if not self.values_not_stored:
            known = ", ".join(HUD_NAMES)
            warnings.warn(
                f"run.log: {name!r} is not shown: the numbers over the picture are {known}. This version of "
                "telebridge stores no series yet; such values are counted in run.values_not_stored",
                RuntimeWarning,
                stacklevel=3,
            )
        self.values_not_stored[name] = self.values_not_stored.get(name, 0) + 1
