/**
 * Keys by position: KeyboardEvent.code to the usage of the USB HID keyboard page (HID Usage Tables 1.5, page 0x07),
 * which is what a worker receives. Keys that are not here are not sent.
 */

const RUNS: [firstUsage: number, codes: string[]][] = [
  [4, [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"].map((letter) => `Key${letter}`)],
  [30, [..."1234567890"].map((digit) => `Digit${digit}`)],
  [40, ["Enter", "Escape", "Backspace", "Tab", "Space", "Minus", "Equal", "BracketLeft"]],
  [48, ["BracketRight", "Backslash"]],
  [51, ["Semicolon", "Quote", "Backquote", "Comma", "Period", "Slash", "CapsLock"]],
  [58, Array.from({ length: 12 }, (_, index) => `F${index + 1}`)],
  [70, ["PrintScreen", "ScrollLock", "Pause", "Insert", "Home", "PageUp", "Delete", "End"]],
  [78, ["PageDown", "ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "NumLock"]],
  [84, ["NumpadDivide", "NumpadMultiply", "NumpadSubtract", "NumpadAdd", "NumpadEnter"]],
  [89, [..."1234567890"].map((digit) => `Numpad${digit}`)],
  [99, ["NumpadDecimal", "IntlBackslash", "ContextMenu"]],
  [224, ["ControlLeft", "ShiftLeft", "AltLeft", "MetaLeft"]],
  [228, ["ControlRight", "ShiftRight", "AltRight", "MetaRight"]],
];

const USAGES = new Map(
  RUNS.flatMap(([firstUsage, codes]) =>
    codes.map((code, index): [string, number] => [code, firstUsage + index])
  ),
);

/** The usage of a KeyboardEvent.code, or null for keys that have none. */
export function hidUsage(code: string): number | null {
  return USAGES.get(code) ?? null;
}
