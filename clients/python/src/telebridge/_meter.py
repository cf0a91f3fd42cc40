"""Derives the HUD's numbers from the steps and rewards that a worker reports."""

from __future__ import annotations

import collections
import math
import operator
from typing import Any, Deque, Dict, Optional, Tuple

_BUCKET_S = 1 / 32
_WINDOW_S = 1.0

# The HUD block: last_reward, avg_reward_1s, step_rate_hz, episode, step, episode_return, loss.
HudValues = Tuple[float, float, float, int, int, float, float]

# What run.log() calls a number: what the HUD calls it.
HUD_NAMES = {
    "reward": "last_reward",
    "avg_reward": "avg_reward_1s",
    "steps_per_second": "step_rate_hz",
    "episode": "episode",
    "step": "step",
    "episode_return": "episode_return",
    "return": "episode_return",
    "loss": "loss",
}


_WHOLE_NUMBER_END = 2**64  # the ring keeps steps and episodes in 64 bits


def whole_number(value: Any, what: str) -> int:
    """A step's or an episode's number as an int; floats without a fraction will do.

    Raises TypeError for what is no number, and ValueError for a number that is no whole one from 0 to 2**64 - 1.
    """
    expected = "expected a whole number from 0 to 2**64 - 1"
    try:
        number = operator.index(value)
    except TypeError:
        if not hasattr(value, "__float__"):
            raise TypeError(f"{what} is {value!r}, {expected}") from None
        if not float(value).is_integer():
            raise ValueError(f"{what} is {value!r}, {expected}") from None
        number = int(value)
    if not 0 <= number < _WHOLE_NUMBER_END:
        raise ValueError(f"{what} is {value!r}, {expected}")
    return number


class Meter:
    """The numbers over the picture. Times are seconds of any clock that only goes forward.

    A number that was set by :meth:`set` is the worker's own from then on, and no longer derived.
    """

    def __init__(self) -> None:
        self.step = 0
        self.episode = 0
        self.last_reward = 0.0
        self.episode_return = 0.0
        self.loss = math.nan
        self._own: Dict[str, float] = {}
        # Finished buckets of a 32nd of a second, oldest first: begin, steps, rewards, sum of rewards.
        self._buckets: Deque[Tuple[float, int, int, float]] = collections.deque()
        self._bucket_begin_s: Optional[float] = None
        self._began_s: Optional[float] = None
        self._steps = 0
        self._rewards = 0
        self._reward_sum = 0.0
        self._window_steps = 0
        self._window_rewards = 0
        self._window_reward_sum = 0.0

    def begin(self, step: Optional[int], episode: Optional[int], now_s: float) -> None:
        """A worker that goes on from `step` has not made those steps in this second."""
        self._bucket_begin_s = self._began_s = now_s
        if step is not None:
            self.step = max(0, step - 1)
        if episode is not None:
            self.episode = episode

    def advance(
        self, now_s: float, step: Optional[int], reward: Optional[float], episode: Optional[int]
    ) -> None:
        """A step was made: `step` is its number (None: the next), `reward` what it brought (None: unknown)."""
        if self._bucket_begin_s is None:
            self.begin(step, episode, now_s)
        self._roll(now_s)
        if step is None:
            step = self.step + 1
        if step > self.step:
            self._steps += step - self.step
        self.step = step
        if episode is not None and episode != self.episode:
            self.episode = episode
            self.episode_return = 0.0
        if reward is not None:
            self.add_reward(reward)

    def add_reward(self, reward: float) -> None:
        self.last_reward = reward
        self.episode_return += reward
        self._rewards += 1
        self._reward_sum += reward

    def set(self, hud_name: str, value: float) -> None:
        """The worker's own value. `step` and `episode` move on from it, the others stay until they are set again.

        Raises ValueError for a `step` or an `episode` that is no whole number.
        """
        if hud_name == "step":
            self.step = whole_number(value, hud_name)
        elif hud_name == "episode":
            self.episode = whole_number(value, hud_name)
        elif hud_name == "loss":
            self.loss = value
        else:
            self._own[hud_name] = value

    def values(self, now_s: float) -> HudValues:
        steps = self._window_steps + self._steps
        rewards = self._window_rewards + self._rewards
        lived_s = 0.0 if self._began_s is None else now_s - self._began_s
        average = (self._window_reward_sum + self._reward_sum) / rewards if rewards else self.last_reward
        rate = steps / min(max(lived_s, _BUCKET_S), _WINDOW_S)
        derived = (self.last_reward, average, rate, self.episode, self.step, self.episode_return, self.loss)
        if not self._own:
            return derived
        own = self._own
        return (
            own.get("last_reward", self.last_reward),
            own.get("avg_reward_1s", average),
            own.get("step_rate_hz", rate),
            self.episode,
            self.step,
            own.get("episode_return", self.episode_return),
            self.loss,
        )

    def _roll(self, now_s: float) -> None:
        """Closes the bucket when its time is over, and lets go of those that are older than the window."""
        begin_s = self._bucket_begin_s
        assert begin_s is not None
        if now_s - begin_s < _BUCKET_S:
            return
        self._buckets.append((begin_s, self._steps, self._rewards, self._reward_sum))
        self._window_steps += self._steps
        self._window_rewards += self._rewards
        self._steps = self._rewards = 0
        self._reward_sum = 0.0
        while self._buckets and self._buckets[0][0] <= now_s - _WINDOW_S:
            _, steps, rewards, _ = self._buckets.popleft()
            self._window_steps -= steps
            self._window_rewards -= rewards
        # Summed anew, so that rounding errors do not pile up over days.
        self._window_reward_sum = math.fsum(bucket[3] for bucket in self._buckets)
        self._bucket_begin_s = now_s
