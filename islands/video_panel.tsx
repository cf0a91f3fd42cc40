/** How frames come and how well it goes: lane, encoder, decoder, bits, queues, jerks, the display. */

import type { LaneState } from "../proto/wire.ts";
import type { DecodingStatus, ViewerStatus } from "../viewer/messages.ts";
import { formatBitrate, formatCount, formatHz } from "./format.ts";
import { LANE_NAMES, laneNotes, pageAbilities } from "./lane_notes.ts";
import { Panel, Row } from "./panel.tsx";
import type { RunModel } from "./run_model.ts";

const ACCELERATION_NAMES: Readonly<Record<string, string>> = {
  hardware: "Hardware",
  software: "Software",
};
const ABILITIES = pageAbilities();

export function VideoPanel({ model }: { model: RunModel }) {
  const status = model.client.status.value;
  const lane = status?.stream?.lane ?? null;
  const decoding = status?.decoding ?? null;
  const notes = laneNotes(lane, model.stream.value.lane, ABILITIES);
  return (
    <Panel title="Video">
      {notes.map((note) => <p key={note} class="note" role="status" data-note>{note}</p>)}
      <dl class="rows">
        <Row label="Lane" name="lane" detail={lane?.why}>
          {lane === null ? "–" : LANE_NAMES[lane.kind]}
        </Row>
        {lane !== null && lane.encoder !== null && (
          <Row label="Encoder" name="encoder">{lane.encoder}</Row>
        )}
        {decoding !== null && <DecodingRows decoding={decoding} lane={lane} />}
        <HealthRows status={status} lane={lane} />
      </dl>
    </Panel>
  );
}

function DecodingRows({ decoding, lane }: { decoding: DecodingStatus; lane: LaneState | null }) {
  const aim = lane?.bitrateKbps ?? null;
  return (
    <>
      <Row label="Codec" name="codec">{decoding.codec}</Row>
      <Row label="Decoder" name="decoder">
        {ACCELERATION_NAMES[decoding.acceleration] ?? "not told"}
      </Row>
      <Row
        label="Bitrate"
        name="bitrate"
        detail={aim === null ? null : `aims at ${formatBitrate(aim)}`}
      >
        {formatBitrate(decoding.bitrateKbps)}
      </Row>
      <Row
        label="Queues"
        name="queues"
        title={`Frames in the decoder; pictures that wait for their time. Pictures held in all: ${decoding.leases}`}
      >
        {decoding.decoderQueue} decoding, {decoding.presenterQueue} waiting
      </Row>
      <Row label="Keyframes asked for" name="keyframes">
        {formatCount(decoding.keyframeRequests)}
      </Row>
      {decoding.restarts > 0 && (
        <Row label="Decoder restarts" name="decoder-restarts">{formatCount(decoding.restarts)}</Row>
      )}
    </>
  );
}

function HealthRows({ status, lane }: { status: ViewerStatus | null; lane: LaneState | null }) {
  const { janks = 0, stalls = 0 } = status?.health ?? {};
  const periodMs = status?.displayPeriodMs ?? null;
  return (
    <>
      <Row
        label="Late frames"
        name="jank"
        title="In the last second: drawn over one and a half times the usual time after the one before"
      >
        {janks}
      </Row>
      <Row
        label="Stalls"
        name="stalls"
        title="In the last second: times that the viewer's worker stood still for over 50 ms"
      >
        {stalls}
      </Row>
      <Row
        label="Display"
        name="display"
        detail={lane?.phaseLocked ? "frames are sampled in time" : null}
      >
        {periodMs === null ? "–" : formatHz(1_000 / periodMs)}
      </Row>
    </>
  );
}
