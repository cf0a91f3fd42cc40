/** What is known of a stored run beside its curves: state, parameters, checkpoints. */

import type { ComponentChildren } from "preact";
import type { StoredRunDetails } from "../proto/wire.ts";
import { formatBytes, formatCount, formatDate, formatDuration, formatSentence } from "./format.ts";
import { checkpointUrl } from "./history_api.ts";
import { DownloadIcon } from "./icons.tsx";
import { Row } from "./panel.tsx";
import { runDurationMs, STORED_STATES } from "./run_tone.ts";

export function DetailsPanel({ details }: { details: StoredRunDetails }) {
  return (
    <div class="details">
      <RunSection details={details} />
      <ParamsSection details={details} />
      <CheckpointsSection details={details} />
    </div>
  );
}

function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="details-section">
      <h3>{title}</h3>
      {children}
    </section>
  );
}

function RunSection({ details }: { details: StoredRunDetails }) {
  const { state, startedAtMs, endedAtMs, tags, note, reason, rows, metadata } = details;
  return (
    <Section title="Run">
      <dl class="rows">
        <Row
          label="State"
          name="stored-state"
          detail={reason === "" ? null : formatSentence(reason)}
        >
          {STORED_STATES[state][0]}
        </Row>
        <Row label="Started" name="started">{formatDate(startedAtMs)}</Row>
        {endedAtMs !== null && <Row label="Ended" name="ended">{formatDate(endedAtMs)}</Row>}
        <Row label="Duration" name="duration">
          {formatDuration(runDurationMs(details, Date.now()))}
        </Row>
        {tags.length > 0 && <Row label="Tags" name="tags">{tags.join(", ")}</Row>}
        {note !== "" && <Row label="Note" name="note">{note}</Row>}
        {Object.entries(rows).filter(([, count]) => count > 0).map(([kind, count]) => (
          <Row key={kind} label={`Stored ${kind}`} name={`rows-${kind}`}>{formatCount(count)}</Row>
        ))}
        {Object.entries(metadata).map(([key, value]) => (
          <Row key={key} label={key} name={`metadata-${key}`}>
            {typeof value === "string" ? value : JSON.stringify(value)}
          </Row>
        ))}
      </dl>
    </Section>
  );
}

function ParamsSection({ details: { params } }: { details: StoredRunDetails }) {
  return (
    <Section title="Parameters">
      {params.length === 0
        ? <p class="muted" data-state="no-params">None were given.</p>
        : (
          <table class="details-table" data-table="params">
            <tbody>
              {params.map(({ key, valueJson }) => (
                <tr key={key}>
                  <th scope="row">{key}</th>
                  <td>{valueOf(valueJson)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
    </Section>
  );
}

/** Strings without their quotes, anything else as it is. */
function valueOf(valueJson: string): string {
  try {
    const value = JSON.parse(valueJson);
    return typeof value === "string" ? value : valueJson;
  } catch {
    return valueJson;
  }
}

function CheckpointsSection({ details: { id, checkpoints } }: { details: StoredRunDetails }) {
  return (
    <Section title="Checkpoints">
      {checkpoints.length === 0
        ? <p class="muted" data-state="no-checkpoints">None were stored.</p>
        : (
          <ul class="checkpoints">
            {checkpoints.map(({ name, step, sizeBytes, sha256, atMs }) => (
              <li key={`${sha256} ${atMs}`} data-checkpoint={name}>
                <a href={checkpointUrl(id, sha256)} download={name} title={`SHA-256 ${sha256}`}>
                  <DownloadIcon />
                  {name}
                </a>
                <p class="muted small">
                  {[
                    ...(step === null ? [] : [`step ${formatCount(step)}`]),
                    formatBytes(sizeBytes),
                    formatDate(atMs),
                  ].join(" · ")}
                </p>
              </li>
            ))}
          </ul>
        )}
    </Section>
  );
}
