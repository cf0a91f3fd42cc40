/**
 * Takes the person's mouse and keyboard to the run while control is on: pointer and wheel over the picture, keys
 * wherever the focus is, the stage's size. Everything held is released when the page loses the focus.
 */

import { type InputEvent, InputKind } from "../proto/wire.ts";
import { hidUsage } from "./hid_usages.ts";
import { pointInPicture } from "./picture_box.ts";
import type { RunModel } from "./run_model.ts";

/** A second Esc within this time gives control back. */
const ESCAPE_AGAIN_MS = 600;
/** Browsers report a wheel's notch as about 100 to 120 pixels; three lines is what a notch scrolls. */
const PIXELS_PER_LINE = 40;
const LINES_PER_PAGE = 20;

/** Starts; returns what stops it. */
export function captureInput(
  stage: HTMLElement,
  canvas: HTMLCanvasElement,
  model: RunModel,
): () => void {
  const stop = new AbortController();
  const on = <Type extends keyof HTMLElementEventMap>(
    target: EventTarget,
    type: Type,
    listener: (event: HTMLElementEventMap[Type]) => void,
  ) =>
    target.addEventListener(type, listener as EventListener, {
      signal: stop.signal,
      passive: false,
    });
  const send = (event: Partial<InputEvent> & { kind: number }) =>
    model.client.sendInput([{ code: 0, x: 0, y: 0, buttons: 0, modifiers: 0, ...event }]);

  const sendPointer = (event: PointerEvent) => {
    const picture = model.client.status.peek()?.picture;
    if (!picture) return;
    const { x, y } = pointInPicture(event, canvas.getBoundingClientRect(), picture);
    send({ kind: InputKind.Pointer, x, y, buttons: event.buttons, modifiers: modifiersOf(event) });
  };
  on(canvas, "pointermove", sendPointer);
  on(canvas, "pointerdown", (event) => {
    event.preventDefault();
    stage.focus({ preventScroll: true });
    // The pointer stays the run's until the button is up, also outside of the picture.
    canvas.setPointerCapture(event.pointerId);
    sendPointer(event);
  });
  on(canvas, "pointerup", sendPointer);
  on(canvas, "contextmenu", (event) => event.preventDefault());
  on(canvas, "wheel", (event) => {
    event.preventDefault();
    const lines = linesPerUnit(event.deltaMode);
    send({
      kind: InputKind.Wheel,
      x: event.deltaX * lines,
      y: event.deltaY * lines,
      modifiers: modifiersOf(event),
    });
  });

  let escapedAtMs = -Infinity;
  const sendKey = (event: KeyboardEvent) => {
    const code = hidUsage(event.code);
    if (code === null || event.repeat) return;
    send({
      kind: InputKind.Key,
      code,
      buttons: event.type === "keydown" ? 1 : 0,
      modifiers: modifiersOf(event),
    });
  };
  on(document, "keydown", (event) => {
    // Browser commands (close the tab, reload) stay the browser's.
    if (event.ctrlKey || event.metaKey) return sendKey(event);
    event.preventDefault();
    if (event.code === "Escape" && !event.repeat) {
      if (event.timeStamp - escapedAtMs < ESCAPE_AGAIN_MS) return model.toggleControl();
      escapedAtMs = event.timeStamp;
    }
    sendKey(event);
  });
  on(document, "keyup", sendKey);

  const releaseAll = () => send({ kind: InputKind.ReleaseAll });
  globalThis.addEventListener("blur", releaseAll, { signal: stop.signal });
  const sizes = new ResizeObserver(() => {
    const { width, height } = stage.getBoundingClientRect();
    const scale = globalThis.devicePixelRatio;
    send({
      kind: InputKind.Resize,
      x: Math.round(width * scale),
      y: Math.round(height * scale),
    });
  });
  sizes.observe(stage);
  stage.focus({ preventScroll: true });

  return () => {
    stop.abort();
    sizes.disconnect();
    releaseAll();
  };
}

function modifiersOf(event: PointerEvent | WheelEvent | KeyboardEvent): number {
  return (event.shiftKey ? 1 : 0) | (event.ctrlKey ? 2 : 0) | (event.altKey ? 4 : 0) |
    (event.metaKey ? 8 : 0);
}

function linesPerUnit(deltaMode: number): number {
  if (deltaMode === WheelEvent.DOM_DELTA_LINE) return 1;
  return deltaMode === WheelEvent.DOM_DELTA_PAGE ? LINES_PER_PAGE : 1 / PIXELS_PER_LINE;
}
