"""Runs a CleanRL script unchanged, and stores and shows what it writes and draws:

    python -m telebridge.cleanrl ppo.py --env-id CartPole-v1 --capture-video

What goes to a SummaryWriter (torch.utils.tensorboard or tensorboardX) goes to the run as well: scalars, texts, histograms,
and the table of hyperparameters as params. The first environment that is made with ``render_mode="rgb_array"``, which is
the one of ``--capture-video``, is shown live, and the videos that RecordVideo has finished are kept as files of the run.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import os
import pathlib
import re
import runpy
import sys
import time
import types
import warnings
from typing import Any, Callable, Dict, List, Optional, Sequence

import numpy as np

from ._run import Run, assigned_run_id, default_run_id, init

_FPS = 15.0
_RUN_ID_CHARS_MAX = 64
_NAME_BYTES_MAX = 200
# CleanRL's own scalars, which together are an episode.
_EPISODE_RETURN, _EPISODE_LENGTH = "charts/episodic_return", "charts/episodic_length"


def run_id_of(logdir: Optional[str]) -> str:
    """CleanRL names a writer's folder after the run: ``runs/CartPole-v1__ppo__1__1700000000``."""
    if assigned_run_id() is not None:
        return default_run_id()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", pathlib.Path(logdir).name if logdir else "").lstrip("._-")
    # The seed and the time, which tell runs apart, stand at its end.
    return name[-_RUN_ID_CHARS_MAX:].lstrip("._-") or default_run_id()


def series_name(tag: Any) -> str:
    """A tag as a series may be called: no control characters, 1 to 200 bytes."""
    text = re.sub(r"[\x00-\x1f\x7f]", " ", str(tag)) or "unnamed"
    return text.encode()[:_NAME_BYTES_MAX].decode(errors="ignore")


def hyperparameters(table: str) -> Dict[str, str]:
    """The rows of CleanRL's ``|param|value|`` table; nothing for another text."""
    lines = [line.strip() for line in table.strip().splitlines()]
    if len(lines) < 2 or lines[0].replace(" ", "") != "|param|value|":
        return {}
    rows = (re.fullmatch(r"\|(.*?)\|(.*)\|", line) for line in lines[2:])
    return {series_name(row[1].strip()): row[2].strip() for row in rows if row and row[1].strip()}


class Hook:
    """What the patched classes tell. The run begins with the first writer, which knows its name, or the first picture."""

    def __init__(self, run_id: Optional[str], tags: Sequence[str], fps: float) -> None:
        self.run_id = run_id
        self.tags = list(tags)
        self.fps = fps
        self.run: Optional[Run] = None
        self.pid = os.getpid()
        self._has_env = False
        self._episode_returns: Dict[Optional[int], float] = {}
        self._warned = False

    def begin(self, logdir: Optional[str]) -> Optional[Run]:
        """The run; None in a forked child, such as those of AsyncVectorEnv."""
        if os.getpid() != self.pid:
            return None
        if self.run is None:
            # A script is never held up for a viewer's pause.
            self.run = init(self.run_id or run_id_of(logdir), tags=self.tags, pausable=False)
        return self.run

    def tell(self, say: Callable[[Run], object], logdir: Optional[str] = None) -> None:
        """No mistake of ours, or value that we do not understand, may end somebody's training."""
        try:
            run = self.begin(logdir)
            if run is not None:
                say(run)
        except Exception as error:
            if not self._warned:
                self._warned = True
                warnings.warn(f"telebridge.cleanrl leaves something out: {error!r}", RuntimeWarning, stacklevel=3)

    def scalar(self, tag: Any, value: Any, step: Optional[int]) -> None:
        def say(run: Run) -> None:
            number = float(value)
            run.log({series_name(tag): number}, step=step)
            if tag == _EPISODE_RETURN:
                self._episode_returns = {step: number}  # its length comes next
            elif tag == _EPISODE_LENGTH and step in self._episode_returns:
                run.episode(episode_return=self._episode_returns.pop(step), length=int(number))

        self.tell(say)

    def text(self, tag: Any, text: Any, step: Optional[int]) -> None:
        def say(run: Run) -> None:
            params = hyperparameters(str(text)) if tag == "hyperparameters" else {}
            if params:
                run.params(params)
            else:
                run.text(series_name(tag), str(text), step=step)

        self.tell(say)

    def histogram(self, tag: Any, values: Any, step: Optional[int]) -> None:
        if hasattr(values, "detach"):  # a tensor
            values = values.detach().cpu().numpy()
        self.tell(lambda run: run.histogram(series_name(tag), np.asarray(values), step=step))

    def takes_env(self, env: Any) -> bool:
        """The first that draws pictures is the one to be shown."""
        if self._has_env or os.getpid() != self.pid or getattr(env, "render_mode", None) != "rgb_array":
            return False
        self._has_env = True
        return True

    def video(self, path: str) -> None:
        if os.path.isfile(path):
            self.tell(lambda run: run.checkpoint(path, name=os.path.basename(path)))


def patch_writer(module: types.ModuleType, hook: Hook) -> None:
    """SummaryWriter of torch.utils.tensorboard and of tensorboardX, whose methods are the same."""
    writer = module.SummaryWriter

    def after(name: str, tell: Callable[..., None]) -> None:
        original = getattr(writer, name)

        def method(self: Any, *arguments: Any, **named: Any) -> Any:
            result = original(self, *arguments, **named)
            tell(self, *arguments, **named)
            return result

        setattr(writer, name, method)

    def opened(self: Any, logdir: Optional[str] = None, *_: Any, **named: Any) -> None:
        folder = getattr(self, "logdir", None) or getattr(self, "log_dir", None) or logdir
        hook.tell(lambda run: None, str(folder or ""))

    def scalar(_: Any, tag: Any, scalar_value: Any, global_step: Optional[int] = None, *__: Any, **___: Any) -> None:
        hook.scalar(tag, scalar_value, global_step)

    def scalars(
        _: Any, main_tag: Any, tag_scalar_dict: Any, global_step: Optional[int] = None, *__: Any, **___: Any
    ) -> None:
        for tag, value in tag_scalar_dict.items():
            hook.scalar(f"{main_tag}/{tag}", value, global_step)

    def text(_: Any, tag: Any, text_string: Any, global_step: Optional[int] = None, *__: Any, **___: Any) -> None:
        hook.text(tag, text_string, global_step)

    def histogram(_: Any, tag: Any, values: Any, global_step: Optional[int] = None, *__: Any, **___: Any) -> None:
        hook.histogram(tag, values, global_step)

    after("__init__", opened)
    after("add_scalar", scalar)
    after("add_scalars", scalars)
    after("add_text", text)
    after("add_histogram", histogram)


def patch_gymnasium(module: types.ModuleType, hook: Hook) -> None:
    """gymnasium.make: shows the environment, without changing what it does."""
    original = module.make

    def make(*arguments: Any, **named: Any) -> Any:
        env = original(*arguments, **named)
        return _shown(env, hook) if hook.takes_env(env) else env

    module.make = make  # type: ignore[attr-defined]


def _shown(env: Any, hook: Hook) -> Any:
    import gymnasium

    class Shown(gymnasium.Wrapper):  # type: ignore[misc]
        """Shows what is rendered, and renders now and then while nobody else does."""

        def __init__(self, env: Any) -> None:
            super().__init__(env)
            self._due_s = 0.0
            self._reward = 0.0
            self._episode = 0

        def reset(self, **arguments: Any) -> Any:
            result = self.env.reset(**arguments)
            self._episode += 1
            return result

        def step(self, action: Any) -> Any:
            if hook.fps > 0 and time.monotonic() >= self._due_s:
                self._show(self.env.render())
            result = self.env.step(action)
            self._reward = float(result[1])
            return result

        def render(self) -> Any:
            picture = self.env.render()
            self._show(picture)
            return picture

        def _show(self, picture: Any) -> None:
            self._due_s = time.monotonic() + (1 / hook.fps if hook.fps > 0 else 0)
            if isinstance(picture, np.ndarray):
                reward, episode = self._reward, self._episode
                hook.tell(lambda run: bool(run.frame(picture, reward=reward, episode=episode)))

    return Shown(env)


def patch_record_video(module: types.ModuleType, hook: Hook) -> None:
    """gymnasium's RecordVideo: a video is kept when its file is whole."""
    recorder = module.RecordVideo
    name = "stop_recording" if hasattr(recorder, "stop_recording") else "close_video_recorder"
    original = getattr(recorder, name)

    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        before_v1 = getattr(getattr(self, "video_recorder", None), "path", None)
        path = before_v1 or os.path.join(str(self.video_folder), f"{getattr(self, '_video_name', None)}.mp4")
        result = original(self, *arguments, **named)
        hook.video(path)
        return result

    setattr(recorder, name, method)


# Modules that define what is patched, once they have been imported.
_PATCHES: Dict[str, Callable[[types.ModuleType, Hook], None]] = {
    "torch.utils.tensorboard.writer": patch_writer,
    "tensorboardX.writer": patch_writer,
    "gymnasium": patch_gymnasium,
    "gymnasium.wrappers.rendering": patch_record_video,  # 1.0 and newer
    "gymnasium.wrappers.record_video": patch_record_video,  # before
}


class _Finder(importlib.abc.MetaPathFinder):
    """Patches a module when it has been executed, so that the script may import it whenever and however it likes."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def find_spec(
        self, name: str, path: Optional[Sequence[str]], target: Optional[types.ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        patch = _PATCHES.get(name)
        if patch is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            loader, hook = spec.loader, self._hook
            execute = loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                execute(module)
                patch(module, hook)

            loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _options(arguments: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m telebridge.cleanrl",
        description="Run a CleanRL script unchanged, and store and show what it writes and draws.",
        epilog="example: python -m telebridge.cleanrl --tags baseline ppo.py --env-id CartPole-v1 --capture-video",
    )
    parser.add_argument("--run", help="the run's name (default: that of the writer's folder)")
    parser.add_argument("--tags", default="", help="tags of the run, with commas between them")
    parser.add_argument(
        "--fps",
        type=float,
        default=_FPS,
        help="pictures a second that are drawn for viewers; 0: only those that the script draws (default: 15)",
    )
    parser.add_argument("script", help="the script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script is given")
    return parser.parse_args(arguments)


def main(arguments: Optional[List[str]] = None) -> None:
    options = _options(sys.argv[1:] if arguments is None else arguments)
    tags = [tag for tag in (part.strip() for part in options.tags.split(",")) if tag]
    hook = Hook(options.run, tags, options.fps)
    sys.meta_path.insert(0, _Finder(hook))
    sys.argv = [options.script, *options.arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(options.script))
    try:
        runpy.run_path(options.script, run_name="__main__")
    except SystemExit as end:
        _finish(hook, None if end.code in (None, 0) else f"exit code {end.code}")
        raise
    except BaseException as error:
        _finish(hook, f"{type(error).__name__}: {error}")
        raise
    _finish(hook, None)


def _finish(hook: Hook, failed: Optional[str]) -> None:
    if hook.run is not None and os.getpid() == hook.pid:
        hook.run.finish(failed=failed)


if __name__ == "__main__":
    main()
