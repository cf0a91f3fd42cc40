"""Shows a Gymnasium environment, or a vector of them, while somebody else's code steps it."""

from __future__ import annotations

import re
import sys
import time
from typing import Any, Optional, Tuple, Union

import numpy as np

from ._mosaic import tile
from ._records import EpisodeSeen
from ._run import Run, assigned_run_id, default_run_id, init

# Drawing an environment often costs more than stepping it.
_FPS = 30.0


def wrap(
    env: Any,
    run: Union[Run, str, None] = None,
    *,
    fps: Optional[float] = _FPS,
    columns: Optional[int] = None,
    shrink: int = 1,
    pausable: bool = True,
    store_steps: bool = True,
) -> Any:
    """Returns an environment that does what `env` does, and shows it.

    env: made with ``render_mode="rgb_array"``. A vector of environments is shown as a mosaic. Anything with
        Gymnasium's ``reset``, ``step``, ``render`` and ``close`` will do.
    run: a run, or the name of a new one; by default the environment's id and the time.
    fps: pictures per second at most, since drawing takes the trainer's time; None draws after every step.
    columns, shrink: of the mosaic, as of :func:`tile`.
    pausable: whether a viewer's pause button makes ``step`` wait.
    store_steps: whether every step and every episode is stored. Of a vector each environment's step has a number of its
        own, and each of its episodes too.

    ``close`` finishes the run, unless it was given as a :class:`Run`. The run is at ``.run`` of what is returned.
    Numbers of a vector: reward and return are means over its environments, steps and episodes are summed.

    Raises ValueError when the environment renders in another mode.
    """
    mode = getattr(env, "render_mode", "rgb_array")
    if mode != "rgb_array":
        raise ValueError(
            f'the environment has render_mode={mode!r}; make it with render_mode="rgb_array" to show it'
        )
    own_run = not isinstance(run, Run)
    if not isinstance(run, Run):
        run = init(run if run is not None else _run_id_of(env), pausable=pausable)
    show = _Show(env, run, own_run, fps, columns, shrink, store_steps)
    gymnasium = sys.modules.get("gymnasium")
    if gymnasium is not None and isinstance(env, gymnasium.vector.VectorEnv):
        return _shown_class(gymnasium.vector.VectorWrapper)(env, show)
    if gymnasium is not None and isinstance(env, gymnasium.Env):
        return _shown_class(gymnasium.Wrapper)(env, show)
    return _shown_class(_PlainWrapper)(env, show)


def _run_id_of(env: Any) -> str:
    name = getattr(getattr(env, "spec", None), "id", None)
    if assigned_run_id() is not None or not isinstance(name, str):
        return default_run_id()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:48]
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S')}" if name else default_run_id()


class _Show:
    """Counts what an environment does, and shows it when a picture is due."""

    def __init__(
        self,
        env: Any,
        run: Run,
        own_run: bool,
        fps: Optional[float],
        columns: Optional[int],
        shrink: int,
        store_steps: bool,
    ) -> None:
        self.run = run
        self.own_run = own_run
        self._env = env
        self._period_s = 1 / fps if fps else 0.0
        self._columns = columns
        self._shrink = shrink
        self._due_s = 0.0
        self._count = int(getattr(env, "num_envs", 1))
        self._is_vector = hasattr(env, "num_envs")
        self._mosaic: Optional[np.ndarray] = None
        self._steps = 0
        self._episodes_begun = 0
        self._returns = np.zeros(self._count)
        self._store_steps = store_steps
        self._episodes = [_Episode(0) for _ in range(self._count)]

    def after_reset(self) -> None:
        self._episodes = [_Episode(self._episodes_begun + index + 1) for index in range(self._count)]
        self._episodes_begun += self._count
        self._returns[:] = 0
        self._show(None)

    def after_step(self, reward: Any, terminated: Any, truncated: Any) -> None:
        rewards = np.asarray(reward, dtype=float)
        self._steps += self._count
        self._returns += rewards
        self._show(float(rewards.mean()))
        if self._store_steps:
            self._store(rewards, terminated, truncated)
        # Vectors start ended episodes again by themselves; a single environment waits for its reset.
        if self._is_vector:
            ended = np.logical_or(terminated, truncated)
            for index in np.flatnonzero(ended):
                self._episodes_begun += 1
                self._episodes[index] = _Episode(self._episodes_begun)
            self._returns[ended] = 0

    def _store(self, rewards: np.ndarray, terminated: Any, truncated: Any) -> None:
        run = self.run
        if not run._can_store():
            return
        first_step = self._steps - self._count + 1
        each = zip(self._episodes, rewards.ravel().tolist(), np.ravel(terminated), np.ravel(truncated))
        for step, (episode, reward, is_terminated, is_truncated) in enumerate(each, first_step):
            seen = episode.seen
            run._store_step(step, reward, episode.number, bool(is_terminated), bool(is_truncated), seen=seen)
            if is_terminated or is_truncated:
                run._store_episode(episode.number, seen)

    def _show(self, reward: Optional[float]) -> None:
        run = self.run
        now_s = time.monotonic()
        is_due = now_s >= self._due_s and run._takes_turn()
        # The return is the environments' own, so that the meter's sum over interleaved episodes is not used.
        run._meter.set("episode_return", float(self._returns.mean()))
        run._advance(self._steps, reward, self._episodes_begun)
        if is_due:
            is_late = now_s - self._due_s > self._period_s  # then the rhythm starts anew
            self._due_s = (now_s if is_late else self._due_s) + self._period_s
            self._publish()
        if run.pausable and not run._ring.may_go_on():
            if not is_due:
                self._publish()
            run._wait_while_paused()

    def _publish(self) -> None:
        pictures = self._env.render()
        if pictures is None:
            raise ValueError(f"{self._env} rendered nothing; make it with render_mode=\"rgb_array\"")
        if self._is_vector:
            self._mosaic = tile(pictures, columns=self._columns, shrink=self._shrink, out=self._mosaic)
            pictures = self._mosaic
        elif self._shrink != 1:
            pictures = pictures[:: self._shrink, :: self._shrink]
        self.run._publish(pictures, None)

    def close(self) -> None:
        if self.own_run:
            self.run.finish()


class _Episode:
    """One that goes on in one of the environments."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.seen = EpisodeSeen()


class _PlainWrapper:
    """For environments that are not Gymnasium's: hands on whatever it does not have itself."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    def reset(self, **arguments: Any) -> Any:
        return self.env.reset(**arguments)

    def step(self, action: Any) -> Any:
        return self.env.step(action)

    def close(self) -> Any:
        return self.env.close()


def _shown_class(base: Any) -> Any:
    """The shown environment as a kind of `base`, which is known only once Gymnasium was imported."""

    class Shown(base):  # type: ignore[misc]
        def __init__(self, env: Any, show: _Show) -> None:
            super().__init__(env)
            self._show = show

        @property
        def run(self) -> Run:
            """The run that shows this environment."""
            return self._show.run

        def reset(self, **arguments: Any) -> Any:
            result = super().reset(**arguments)
            self._show.after_reset()
            return result

        def step(self, action: Any) -> Tuple[Any, ...]:
            result: Tuple[Any, ...] = super().step(action)
            _, reward, terminated, truncated = result[:4]
            self._show.after_step(reward, terminated, truncated)
            return result

        def close(self, **arguments: Any) -> None:
            self._show.close()
            super().close(**arguments)

    return Shown
