/** Keyboard shortcuts of a page: one key, no modifiers, not while text is typed. */

export type Shortcuts = Record<string, () => void>;

/** Elements whose own keys come first: space presses a button, arrows move a slider. */
const OWN_KEYS = "input, select, textarea, [contenteditable]";

/** `active` is asked at each key: shortcuts rest while the keyboard belongs to the worker or to a dialog. */
export function listenForShortcuts(shortcuts: Shortcuts, active: () => boolean): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !active()) return;
    const target = event.target as HTMLElement;
    const pressesButton = event.key === " " || event.key === "Enter";
    if (target.closest(OWN_KEYS) || (pressesButton && target.closest("button, a, summary"))) return;
    const action = shortcuts[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
}
