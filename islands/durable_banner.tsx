/** What a person must know about recording while it does not go well. */

import type { Durable } from "../proto/wire.ts";
import { formatSentence } from "./format.ts";
import { WarningIcon } from "./icons.tsx";

const TEXTS: Record<Exclude<Durable["state"], "ok">, [title: string, what: string]> = {
  slow: ["Recording is behind.", "Workers are held back, and nothing is lost."],
  failing: [
    "Recording is paused.",
    "The live picture goes on, and workers keep what is not stored.",
  ],
  down: [
    "Recording starts again.",
    "The live picture goes on, and workers keep what is not stored.",
  ],
};

export function DurableBanner({ durable }: { durable: Durable | null }) {
  if (durable === null || durable.state === "ok") return null;
  const [title, what] = TEXTS[durable.state];
  return (
    <section
      class="durable-banner"
      role={durable.state === "failing" ? "alert" : "status"}
      data-durable={durable.state}
    >
      <WarningIcon />
      <p>
        <strong>{title}</strong>{" "}
        {durable.reason !== "" && <span>{formatSentence(durable.reason)}</span>} {what}
      </p>
    </section>
  );
}

/** What was stored cannot be shown, or not all of it. */
export function HistoryBanner({ error }: { error: string | null }) {
  if (error === null) return null;
  return (
    <section class="durable-banner" role="status" data-state="history-error">
      <WarningIcon />
      <p>
        <strong>What is recorded cannot be read.</strong> {formatSentence(error)}{" "}
        This page tries again by itself.
      </p>
    </section>
  );
}
