/** A banner over the picture when it does not look like that of a run that goes on: all black, or the same for long. */

import { useSignal } from "@preact/signals";
import type { HealthStatus } from "../viewer/messages.ts";
import { CloseIcon } from "./icons.tsx";

const WARNINGS = {
  frozen: {
    what: "The picture has stood still for",
    advice: "The worker publishes the same picture again and again: does it render at every step?",
  },
  black: {
    what: "The picture has been black for",
    advice: "Does the worker render before it publishes, and has its renderer a graphics device?",
  },
};

export function StageWarning({ health }: { health: HealthStatus }) {
  /** The warning that a person has read; another one shows again. */
  const read = useSignal<HealthStatus["warning"]>(null);
  const { warning, warningForMs } = health;
  if (warning === null) {
    read.value = null;
    return null;
  }
  if (read.value === warning) return null;
  const { what, advice } = WARNINGS[warning];
  return (
    <section class="stage-warning" role="alert" data-warning={warning}>
      <p>
        <strong>
          {what} <span data-hud="warning-seconds">{Math.round(warningForMs / 1_000)}</span> s
        </strong>
        , although new frames come. {advice}
      </p>
      <button
        type="button"
        class="icon-button"
        onClick={() => read.value = warning}
        aria-label="Hide this warning"
        title="Hide this warning"
      >
        <CloseIcon />
      </button>
    </section>
  );
}
