/** A run's phase as a word and a colour; the dot of a live run pulses unless motion is unwanted. */

import type { JSX } from "preact";

export type ChipTone = "live" | "quiet" | "warn" | "bad";

const PHASES: Record<string, [label: string, tone: ChipTone]> = {
  live: ["Live", "live"],
  idle: ["Idle", "quiet"],
  paused: ["Paused", "warn"],
  waiting: ["Waiting", "warn"],
  ended: ["Ended", "quiet"],
  error: ["Error", "bad"],
};

export function Chip({ tone, label, name }: { tone: ChipTone; label: string; name?: string }) {
  return (
    <span class="chip" data-tone={tone} data-chip={name}>
      <span class="chip-dot" />
      {label}
    </span>
  );
}

export function PhaseChip({ phase }: { phase: string }): JSX.Element {
  const [label, tone] = PHASES[phase] ?? [phase, "quiet"];
  return <Chip tone={tone} label={label} name="phase" />;
}
