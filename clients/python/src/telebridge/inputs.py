"""What a viewer who turned control on sends: one frozen dataclass for each kind of event.

    for event in run.inputs():
        match event:
            case telebridge.inputs.Key(name="left", down=True): ...

Each has ``t_ns``, when it was sent, on CLOCK_MONOTONIC (``time.monotonic_ns()``).
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Optional, Union

from ._hid import key_name
from ._library import InputRecord

__all__ = ["Command", "InputEvent", "Key", "Modifiers", "Pointer", "ReleaseAll", "Resize", "Wheel"]


class Modifiers(enum.IntFlag):
    NONE = 0
    SHIFT = 1
    CONTROL = 2
    ALT = 4
    META = 8


@dataclasses.dataclass(frozen=True)
class Pointer:
    """The pointer moved, or its buttons changed. x and y are 0 to 1 of the picture, from its upper left corner."""

    x: float
    y: float
    buttons: int  # bit mask: 1 primary, 2 secondary, 4 middle
    modifiers: Modifiers
    t_ns: int


@dataclasses.dataclass(frozen=True)
class Wheel:
    """The wheel turned, in lines; y is positive downwards."""

    x: float
    y: float
    modifiers: Modifiers
    t_ns: int


@dataclasses.dataclass(frozen=True)
class Key:
    """A key went down or up."""

    name: str  # "a", "1", "left", "space", "enter", ...; by the key's place on a US keyboard
    down: bool
    usage: int  # USB HID usage, keyboard page
    modifiers: Modifiers
    t_ns: int


@dataclasses.dataclass(frozen=True)
class Resize:
    """The picture's place in the page has another size, in pixels. What to make of it is the worker's choice."""

    width: int
    height: int
    t_ns: int


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of the worker's own, by the code that it chose, from 256."""

    code: int
    value: float
    t_ns: int


@dataclasses.dataclass(frozen=True)
class ReleaseAll:
    """Control ended, or events were lost: whatever was held down is not any more."""

    t_ns: int


InputEvent = Union[Pointer, Wheel, Key, Resize, Command, ReleaseAll]

_POINTER, _WHEEL, _KEY, _RESIZE, _COMMAND, _RELEASE_ALL = range(1, 7)
_COMMAND_OF_WORKER = 256  # below are pause, resume and step, which run.frame() honours by itself


def event_of(record: InputRecord) -> Optional[InputEvent]:
    """The event in a record of the ring; None for those that are not the worker's."""
    kind, t_ns = record.kind, record.t_ns
    modifiers = Modifiers(record.modifiers & 15)
    if kind == _POINTER:
        return Pointer(record.x, record.y, record.buttons, modifiers, t_ns)
    if kind == _WHEEL:
        return Wheel(record.x, record.y, modifiers, t_ns)
    if kind == _KEY:
        return Key(key_name(record.code), record.buttons == 1, record.code, modifiers, t_ns)
    if kind == _RESIZE:
        return Resize(int(record.x), int(record.y), t_ns)
    if kind == _COMMAND and record.code >= _COMMAND_OF_WORKER:
        return Command(record.code, record.x, t_ns)
    if kind == _RELEASE_ALL:
        return ReleaseAll(t_ns)
    return None
