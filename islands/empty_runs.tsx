/** No run yet: the three lines that make one. */

import { useSignal } from "@preact/signals";
import { CopyIcon } from "./icons.tsx";

const EXAMPLE = `import telebridge
run = telebridge.init("my-run")
run.frame(rgb, step=step, reward=reward)`;

export function EmptyRuns() {
  const copied = useSignal(false);
  const copy = async () => {
    await navigator.clipboard.writeText(EXAMPLE);
    copied.value = true;
    setTimeout(() => copied.value = false, 2_000);
  };
  return (
    <section class="empty" data-state="empty">
      <h2>No runs yet</h2>
      <p>
        A run appears here by itself as soon as a worker on this machine publishes a frame. In
        Python:
      </p>
      <div class="code-block">
        <pre><code>{EXAMPLE}</code></pre>
        {navigator.clipboard !== undefined && (
          <button type="button" class="button" onClick={copy}>
            <CopyIcon />
            <span aria-live="polite">{copied.value ? "Copied" : "Copy"}</span>
          </button>
        )}
      </div>
      <p class="muted">
        <code>rgb</code>{" "}
        is a numpy array of bytes, height × width × 3. With Gymnasium one line does it:{" "}
        <code>env = telebridge.wrap(env)</code>. A program that the server should start and keep
        alive stands in its <code>telebridge.toml</code>:{" "}
        <code class="long-code">agents.sim.command = ["python", "sim.py"]</code>. Without any
        trainer at hand, start the server with <code>--demo</code>.
      </p>
    </section>
  );
}
