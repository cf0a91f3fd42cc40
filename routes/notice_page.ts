/** Pages that stand alone: the browser is not let in, or what it asked for is not there. */

import { createHash } from "node:crypto";
import { escapeHtml } from "./html.ts";

const STYLE = `
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --text: #14181f; --quiet: #5b6472;
  --line: #dde1e7; --accent: #2563eb; }
@media (prefers-color-scheme: dark) { :root { --ground: #0c0f14; --card: #151a22; --text: #e8ecf2;
  --quiet: #97a1b0; --line: #262d38; --accent: #6ea0ff; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 16px;
  background: var(--ground); color: var(--text); font: 15px/1.55 system-ui, sans-serif; }
main { width: 100%; max-width: 440px; padding: 28px; background: var(--card);
  border: 1px solid var(--line); border-radius: 14px; }
h1 { margin: 0 0 8px; font-size: 20px; line-height: 1.3; }
p { margin: 0 0 16px; color: var(--quiet); overflow-wrap: anywhere; }
p:last-child { margin: 0; }
code { font: 13px/1.4 ui-monospace, monospace; color: var(--text); }
a { color: var(--accent); }
form { display: flex; gap: 8px; flex-wrap: wrap; }
label { flex-basis: 100%; font-weight: 600; }
input { flex: 1 1 180px; min-width: 0; padding: 9px 12px; font: inherit; color: inherit;
  background: var(--ground); border: 1px solid var(--line); border-radius: 8px; }
button { padding: 9px 18px; font: inherit; font-weight: 600; color: var(--card);
  background: var(--accent); border: 0; border-radius: 8px; cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;

/** What the Content-Security-Policy must allow for these pages' own style. */
export const NOTICE_STYLE_HASH = `'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`;

/** `body` is HTML. */
function noticePage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · telebridge</title>
<style>${STYLE}</style>
</head>
<body><main><h1>${escapeHtml(title)}</h1>${body}</main></body>
</html>
`;
}

/** The browser has no valid token. The form's answer comes back as `?token=`, like the printed URL. */
export function signInPage(path: string, wrongToken: boolean): string {
  const complaint = wrongToken ? "<p>That token is not this server's.</p>" : "";
  return noticePage(
    "This server needs its token",
    `${complaint}<p>Open the URL that <code>telebridge serve</code> printed, or print it again with
<code>telebridge token</code> on the machine that runs it.</p>
<form method="get" action="${escapeHtml(path)}">
<label for="token">Or paste the token</label>
<input id="token" name="token" type="password" autocomplete="off" required autofocus>
<button>Open</button>
</form>`,
  );
}

/** Takes a browser that came from another site to `path`, where it sends its new cookie (SameSite=Strict). */
export function continuePage(path: string): string {
  const target = escapeHtml(path);
  return noticePage(
    "Signed in",
    `<meta http-equiv="refresh" content="0; url=${target}"><p><a href="${target}">Go on</a></p>`,
  );
}

export function errorPage(title: string, message: string): string {
  const sentence = message.charAt(0).toUpperCase() + message.slice(1);
  return noticePage(
    title,
    `<p>${escapeHtml(sentence)}</p><p><a href="/">All runs</a></p>`,
  );
}
