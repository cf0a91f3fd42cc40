/** Dark and light: the system's choice until a person makes one. The styles follow `data-theme` of the root element. */

import { signal } from "@preact/signals";
import { type Preferences, readPreferences, savePreferences } from "./preferences.ts";

export type Theme = Preferences["theme"];

export const theme = signal<Theme>("system");

export function applyTheme(chosen: Theme = readPreferences().theme): void {
  theme.value = chosen;
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

export function switchTheme(): void {
  const chosen = NEXT[theme.value];
  savePreferences({ theme: chosen });
  applyTheme(chosen);
}
