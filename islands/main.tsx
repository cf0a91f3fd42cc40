/** Mounts the island that the server's page names: `<div data-island="runs">` or `<div data-island="run">`. */

import { type ComponentChild, render } from "preact";
import { type RunPageProps, startRunPage } from "./run_page.tsx";
import { startRunsPage } from "./runs_page.tsx";
import { applyTheme } from "./theme.ts";

function readProps(): unknown {
  return JSON.parse(document.getElementById("props")?.textContent ?? "{}");
}

const islands: Record<string, (props: unknown) => ComponentChild> = {
  runs: () => startRunsPage(),
  run: (props) => startRunPage(props as RunPageProps),
};

applyTheme();
for (const element of document.querySelectorAll<HTMLElement>("[data-island]")) {
  const start = islands[element.dataset.island ?? ""];
  if (start !== undefined) render(start(readProps()), element);
}
