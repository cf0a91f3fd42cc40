/**
 * Input has no meaning before a picture has been seen: until the first gave its dimensions, keys are dropped, and of
 * the pointer the newest place is kept for then.
 */

import { type InputEvent, InputKind } from "../proto/wire.ts";

export interface InputGate {
  isOpen: boolean;
  pointer: InputEvent | null;
}

export function createInputGate(): InputGate {
  return { isOpen: false, pointer: null };
}

/** The events that may go out now. */
export function passInput(gate: InputGate, events: InputEvent[]): InputEvent[] {
  if (gate.isOpen) return events;
  gate.pointer = events.findLast(({ kind }) => kind === InputKind.Pointer) ?? gate.pointer;
  return [];
}

/** The first picture is there: the event that waited for it, if any. */
export function openInputGate(gate: InputGate): InputEvent[] {
  const { pointer } = gate;
  gate.isOpen = true;
  gate.pointer = null;
  return pointer === null ? [] : [pointer];
}
