/** A state that needs words: what is, why, and what to do. */

import type { ComponentChildren } from "preact";

interface NoticeProps {
  /** Names the state for tests and styles. */
  state: string;
  title: string;
  children?: ComponentChildren;
  /** Spoken at once by screen readers. */
  urgent?: boolean;
}

export function Notice({ state, title, children, urgent }: NoticeProps) {
  return (
    <section class="notice" data-state={state} role={urgent ? "alert" : "status"}>
      <h2>{title}</h2>
      <div class="notice-body">{children}</div>
    </section>
  );
}

/** The whole page cannot work: its token is missing or of another server. */
export function UnauthorisedNotice() {
  return (
    <Notice state="unauthorised" title="This page is not authorised" urgent>
      <p>
        The server does not accept this browser's token. It was perhaps started anew with another
        data directory.
      </p>
      <p>
        Open the address that <code>telebridge serve</code> prints when it starts, the one with{" "}
        <code>?token=</code> in it.
      </p>
      <button type="button" class="button" onClick={() => location.reload()}>Try again</button>
    </Notice>
  );
}

/** The server ended the session and says that connecting again cannot help. */
export function RefusedNotice({ reason }: { reason: string | null }) {
  return (
    <Notice state="refused" title="The server ended this session" urgent>
      <p>{reason ?? "It gave no reason."}</p>
      <button type="button" class="button" onClick={() => location.reload()}>Load again</button>
    </Notice>
  );
}

export function BrokenNotice({ reason }: { reason: string }) {
  return (
    <Notice state="broken" title="The viewer could not start" urgent>
      <p>Its worker failed: {reason}</p>
      <button type="button" class="button" onClick={() => location.reload()}>Load again</button>
    </Notice>
  );
}
