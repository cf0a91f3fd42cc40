/** The help sheet: a modal dialog, so that the browser itself keeps the focus in it and closes it on Esc. */

import { useEffect, useRef } from "preact/hooks";
import type { RunModel } from "./run_model.ts";

const SHORTCUTS: [keys: string[], what: string][] = [
  [["Space"], "Pause, resume"],
  [["."], "One step"],
  [["c"], "Take control, so that mouse and keyboard go to the run"],
  [["Esc", "Esc"], "Release control"],
  [["f"], "Full screen"],
  [["s"], "Save the frame as a PNG"],
  [["h"], "Numbers over the picture"],
  [["o"], "Heat map"],
  [["[", "]"], "Heat map weaker, stronger"],
  [["l"], "Latency by stage"],
  [["t"], "Theme: system, light, dark"],
  [["?"], "This sheet"],
];

export function HelpSheet({ model }: { model: RunModel }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = model.helpOpen.value;
  useEffect(() => {
    if (open) dialog.current!.showModal();
    else dialog.current!.close();
  }, [open]);
  return (
    <dialog
      ref={dialog}
      class="sheet"
      aria-labelledby="help-title"
      onClose={() => model.helpOpen.value = false}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      <div class="sheet-body">
        <div class="sheet-head">
          <h2 id="help-title">Keyboard shortcuts</h2>
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            Close
          </button>
        </div>
        <dl class="shortcut-list">
          {SHORTCUTS.map(([keys, what]) => (
            <div key={what}>
              <dt>{keys.map((key, index) => <kbd key={index}>{key}</kbd>)}</dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <p class="muted small">
          A drag over a chart shows that part in all charts, a double click all of it again.
        </p>
        <p class="muted small">
          Latency is measured on every frame, from the worker's stamp to the end of the drawing
          calls. In this page's address, <code>?lane=h264</code>, <code>?transport=websocket</code>
          {" "}
          and <code>?renderer=2d</code> force how frames are coded, carried and drawn;{" "}
          <code>telebridge.snapshot()</code> in the console gives all figures.
        </p>
      </div>
    </dialog>
  );
}
