/** What a person set for this browser. Storage may be switched off: then every page begins with the defaults. */

export interface Preferences {
  theme: "system" | "light" | "dark";
  hudVisible: boolean;
  overlayVisible: boolean;
  /** 0 to 1. */
  overlayOpacity: number;
  overlayInSavedPng: boolean;
  latencyMs: number;
  phaseLock: boolean;
  chartAxis: "step" | "time";
  chartLogY: boolean;
  /** 0 to 0.99. */
  chartSmoothing: number;
  /** null: as many rows as there are, and how the agents are, decides. */
  agentsOpen: boolean | null;
}

const DEFAULTS: Preferences = {
  theme: "system",
  hudVisible: true,
  overlayVisible: true,
  overlayOpacity: 0.5,
  overlayInSavedPng: false,
  latencyMs: 0,
  phaseLock: true,
  chartAxis: "step",
  chartLogY: false,
  chartSmoothing: 0,
  agentsOpen: null,
};
const KEY = "telebridge.preferences";

export function readPreferences(): Preferences {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return { ...DEFAULTS };
  }
}

export function savePreferences(change: Partial<Preferences>): void {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...readPreferences(), ...change }));
  } catch {
    // Kept for this page only.
  }
}
