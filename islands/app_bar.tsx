/** The bar on top of every page: where one is, how the page is connected, the theme. */

import type { ComponentChildren } from "preact";
import type { ConnectionStatus } from "../viewer/connection.ts";
import { AutoThemeIcon, BridgeIcon, MoonIcon, SunIcon } from "./icons.tsx";
import { Chip, type ChipTone } from "./phase_chip.tsx";
import { switchTheme, theme } from "./theme.ts";

const TRANSPORT_NAMES = { webtransport: "WebTransport", websocket: "WebSocket" };
const THEME_NAMES = { system: "as the system", light: "light", dark: "dark" };

function describe(connection: ConnectionStatus | null): [tone: ChipTone, label: string] {
  switch (connection?.phase) {
    case "open":
      return ["live", TRANSPORT_NAMES[connection.transport!]];
    case "reconnecting":
      return ["warn", "Reconnecting"];
    case "unauthorised":
      return ["bad", "Not authorised"];
    case "refused":
      return ["bad", "Refused"];
    default:
      return ["quiet", "Connecting"];
  }
}

export function ConnectionChip({ connection }: { connection: ConnectionStatus | null }) {
  const [tone, label] = describe(connection);
  return (
    <span title={connection?.reason ?? undefined}>
      <Chip tone={tone} label={label} name="connection" />
    </span>
  );
}

export function ThemeToggle() {
  const icons = { system: <AutoThemeIcon />, light: <SunIcon />, dark: <MoonIcon /> };
  return (
    <button
      type="button"
      class="icon-button"
      onClick={switchTheme}
      aria-label={`Theme: ${THEME_NAMES[theme.value]}. Switch`}
      title={`Theme: ${THEME_NAMES[theme.value]} (t)`}
    >
      {icons[theme.value]}
    </button>
  );
}

interface AppBarProps {
  connection: ConnectionStatus | null;
  /** What stands beside the product's name: the run, its phase. */
  children?: ComponentChildren;
  actions?: ComponentChildren;
}

export function AppBar({ connection, children, actions }: AppBarProps) {
  return (
    <header class="app-bar">
      <a class="app-name" href="/" aria-label="telebridge: all runs">
        <BridgeIcon />
        <span class="app-word">telebridge</span>
      </a>
      <div class="app-place">{children}</div>
      <div class="app-actions">
        <ConnectionChip connection={connection} />
        {actions}
        <ThemeToggle />
      </div>
    </header>
  );
}
