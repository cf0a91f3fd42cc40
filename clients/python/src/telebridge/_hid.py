"""Names of keys. Source: USB HID Usage Tables 1.5, section 10, keyboard/keypad page (0x07)."""

from __future__ import annotations

from typing import Dict

_NAMED = {
    0x28: "enter", 0x29: "escape", 0x2A: "backspace", 0x2B: "tab", 0x2C: "space",
    0x2D: "-", 0x2E: "=", 0x2F: "[", 0x30: "]", 0x31: "\\", 0x33: ";", 0x34: "'", 0x35: "`",
    0x36: ",", 0x37: ".", 0x38: "/", 0x39: "caps lock",
    0x46: "print screen", 0x47: "scroll lock", 0x48: "pause", 0x49: "insert", 0x4A: "home",
    0x4B: "page up", 0x4C: "delete", 0x4D: "end", 0x4E: "page down",
    0x4F: "right", 0x50: "left", 0x51: "down", 0x52: "up", 0x53: "num lock",
    0x54: "keypad /", 0x55: "keypad *", 0x56: "keypad -", 0x57: "keypad +", 0x58: "keypad enter",
    0x62: "keypad 0", 0x63: "keypad .", 0x64: "non-us \\", 0x65: "menu",
    0xE0: "left control", 0xE1: "left shift", 0xE2: "left alt", 0xE3: "left meta",
    0xE4: "right control", 0xE5: "right shift", 0xE6: "right alt", 0xE7: "right meta",
}  # fmt: skip


def _all_names() -> Dict[int, str]:
    names = dict(_NAMED)
    names.update((0x04 + index, letter) for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz"))
    names.update((0x1E + index, digit) for index, digit in enumerate("1234567890"))
    names.update((0x3A + index, f"f{index + 1}") for index in range(12))
    names.update((0x59 + index, f"keypad {index + 1}") for index in range(9))
    return names


_NAME_OF_USAGE = _all_names()


def key_name(usage: int) -> str:
    """The key's name, or ``usage 0x..`` for one that has none here."""
    return _NAME_OF_USAGE.get(usage, f"usage 0x{usage:02x}")
