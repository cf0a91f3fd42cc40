/** The durable lane's part of /metrics, in Prometheus's text format (its "Exposition formats"). */

import type { MetricValue } from "./feed.ts";
import type { DurableLane } from "./lane.ts";

/** What the ingest process told last, and what is known of it from outside. */
export function durableMetricsText(lane: DurableLane): string {
  return metricsText([
    {
      name: "telebridge_ingest_up",
      help: "1 while the ingest process runs and is ready.",
      kind: "gauge",
      labels: {},
      value: lane.state.state === "down" ? 0 : 1,
    },
    {
      name: "telebridge_ingest_restarts_total",
      help: "Times that the ingest process was started again.",
      kind: "counter",
      labels: {},
      value: lane.restarts,
    },
    {
      name: "telebridge_remote_workers",
      help: "Workers with a control stream.",
      kind: "gauge",
      labels: {},
      value: lane.workers.length,
    },
    ...lane.metrics,
  ]);
}

/** Values of one name stand together. */
export function metricsText(values: readonly MetricValue[]): string {
  const byName = Map.groupBy(values, ({ name }) => name);
  return [...byName].map(([name, [first, ...rest]]) =>
    `# HELP ${name} ${first!.help}\n# TYPE ${name} ${first!.kind}\n` +
    [first!, ...rest].map(lines).join("")
  ).join("");
}

function lines({ name, kind, labels, value, buckets = [] }: MetricValue): string {
  if (kind !== "histogram") return line(name, labels, value);
  const count = buckets.at(-1)?.[1] ?? 0;
  const counts = buckets.map(([le, count]) =>
    line(`${name}_bucket`, { ...labels, le: le === Infinity ? "+Inf" : String(le) }, count)
  );
  return counts.join("") + line(`${name}_sum`, labels, value) +
    line(`${name}_count`, labels, count);
}

function line(name: string, labels: Record<string, string>, value: number): string {
  const texts = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`);
  return `${name}${texts.length === 0 ? "" : `{${texts.join()}}`} ${value}\n`;
}
