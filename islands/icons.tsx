/** Icons, drawn on a 16 × 16 grid with strokes of 1.5. They are decoration: the control that holds one has the name. */

import type { ComponentChildren, JSX } from "preact";

function Icon({ children }: { children: ComponentChildren }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const PauseIcon = () => (
  <Icon>
    <path d="M5.5 3.5v9M10.5 3.5v9" />
  </Icon>
);
export const PlayIcon = () => (
  <Icon>
    <path d="M5 3.2v9.6L12.5 8z" />
  </Icon>
);
export const StopIcon = () => (
  <Icon>
    <path d="M4.2 4.2h7.6v7.6H4.2z" />
  </Icon>
);
export const RestartIcon = () => (
  <Icon>
    <path d="M12.6 6.2A5 5 0 1013 8.6M13 3v3.4H9.6" />
  </Icon>
);
export const StepIcon = () => (
  <Icon>
    <path d="M4 3.2v9.6L10.5 8zM12.5 3.5v9" />
  </Icon>
);
export const PointerIcon = () => (
  <Icon>
    <path d="M3.5 2.5l9 4.2-3.8 1.5-1.6 4z" />
  </Icon>
);
export const LayersIcon = () => (
  <Icon>
    <path d="M8 2.5l5.5 3L8 8.5l-5.5-3zM2.5 8L8 11l5.5-3M2.5 10.5L8 13.5l5.5-3" />
  </Icon>
);
export const SaveIcon = () => (
  <Icon>
    <path d="M8 2.5v7.5M4.8 7L8 10.2 11.2 7M2.5 13h11" />
  </Icon>
);
export const FullScreenIcon = () => (
  <Icon>
    <path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10" />
  </Icon>
);
export const SunIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="2.75" />
    <path d="M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.8.8M11.8 11.8l.8.8M3.4 12.6l.8-.8M11.8 4.2l.8-.8" />
  </Icon>
);
export const MoonIcon = () => (
  <Icon>
    <path d="M13 9.6A5.5 5.5 0 016.4 3 5.5 5.5 0 1013 9.6z" />
  </Icon>
);
export const AutoThemeIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="5.5" />
    <path d="M8 2.5a5.5 5.5 0 010 11z" fill="currentColor" />
  </Icon>
);
export const HudIcon = () => (
  <Icon>
    <path d="M2.5 3.5h11v9h-11zM4.8 10h2.4M8.8 10h2.4" />
  </Icon>
);
export const CopyIcon = () => (
  <Icon>
    <path d="M5.5 5.5h7.5v7.5H5.5zM10.5 5.5V3H3v7.5h2.5" />
  </Icon>
);
export const WarningIcon = () => (
  <Icon>
    <path d="M8 2.5l6 10.5H2zM8 6.5v3M8 11.2v.1" />
  </Icon>
);
/** The mark: a bridge over a line. */
export const BridgeIcon = () => (
  <Icon>
    <path d="M1.5 12h13M1.5 9c2.5 0 3-5 6.5-5s4 5 6.5 5M5 7v5M8 4v8M11 7v5" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon>
    <path d="M4 4l8 8M12 4l-8 8" />
  </Icon>
);
export const ChartIcon = () => (
  <Icon>
    <path d="M2.5 2.5v11h11M5 10.5l2.5-3.5 2 2 3.5-5" />
  </Icon>
);
export const WidenIcon = () => (
  <Icon>
    <path d="M2.5 8h11M5 5.5L2.5 8 5 10.5M11 5.5L13.5 8 11 10.5" />
  </Icon>
);
export const DownloadIcon = SaveIcon;
