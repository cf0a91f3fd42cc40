/** The stage: the picture as large as fits, the HUD over it, and words where there is no live picture. */

import { useEffect, useRef } from "preact/hooks";
import { formatSentence } from "./format.ts";
import { Hud } from "./hud.tsx";
import { captureInput } from "./input_capture.ts";
import { Notice } from "./notice.tsx";
import type { RunModel } from "./run_model.ts";
import { StageWarning } from "./stage_warning.tsx";
import { forcedByAddress } from "./viewer_client.ts";

const STAGE_ID = "stage";
/** Pictures up to this width are scaled up with sharp pixels: their pixels are what people look at. */
const SHARP_WIDTH_MAX = 512;

export function toggleFullScreen(): void {
  if (document.fullscreenElement !== null) document.exitFullscreen();
  else document.getElementById(STAGE_ID)?.requestFullscreen();
}

interface StageProps {
  model: RunModel;
  /** The worker has been told which run it is. */
  onOpen(): void;
}

export function Stage({ model, onOpen }: StageProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  useEffect(() => {
    model.client.open({
      run: model.run,
      canvas: canvas.current!.transferControlToOffscreen(),
      forcedRenderer: forcedByAddress(location.search).renderer,
      settings: model.stream.peek(),
      overlay: model.overlay.peek(),
    });
    onOpen();
  }, []);
  const inControl = model.inControl.value;
  useEffect(() => {
    if (inControl) return captureInput(stage.current!, canvas.current!, model);
  }, [inControl]);

  const health = model.client.status.value?.health ?? null;
  const picture = model.client.status.value?.picture ?? null;
  const sharp = picture !== null && picture.width <= SHARP_WIDTH_MAX;
  return (
    <div
      id={STAGE_ID}
      class="stage"
      ref={stage}
      tabIndex={inControl ? 0 : -1}
      data-control={inControl}
      data-stale={!model.connected.value || model.state.value?.phase !== "live"}
    >
      <canvas
        ref={canvas}
        class="picture"
        data-sharp={sharp}
        data-empty={picture === null}
        role="img"
        aria-label={`Live picture of ${model.run}`}
      />
      {model.hudVisible.value && picture !== null && <Hud model={model} />}
      <StageNotice model={model} />
      <div class="stage-foot">
        <p class="toast" role="status" hidden={model.message.value === null}>
          {model.message.value}
        </p>
        {health !== null && <StageWarning health={health} />}
        {inControl && (
          <p class="control-hint" role="status">
            Your mouse and keyboard go to the run. <kbd>Esc</kbd> twice gives them back.
          </p>
        )}
      </div>
    </div>
  );
}

function StageNotice({ model }: { model: RunModel }) {
  const connection = model.connection.value;
  const state = model.state.value;
  const status = model.client.status.value;
  const pictureKept = status?.picture ? " The last picture is kept." : "";
  if (connection === null || connection.phase === "connecting") {
    return <Notice state="connecting" title="Connecting" />;
  }
  if (connection.phase === "reconnecting") {
    return (
      <Notice state="reconnecting" title="Reconnecting">
        <p>{formatSentence(connection.reason ?? "the connection was lost")}{pictureKept}</p>
      </Notice>
    );
  }
  if (state === null) return null;
  if (state.phase === "waiting") {
    return (
      <Notice state="waiting" title="Waiting for the run">
        <p>
          Nothing publishes <code>{model.run}</code>{" "}
          yet. The picture appears by itself.{pictureKept}
        </p>
      </Notice>
    );
  }
  if (state.phase === "ended") {
    return (
      <Notice state="ended" title="The run has ended">
        <p>{formatSentence(state.message ?? "its worker finished")}{pictureKept}</p>
      </Notice>
    );
  }
  if (state.phase === "error") {
    return (
      <Notice state="error" title="This run cannot be shown" urgent>
        <p>{formatSentence(state.message ?? "the server gave no reason")}</p>
      </Notice>
    );
  }
  if (status?.drawError) {
    return (
      <Notice state="draw-error" title="The picture cannot be drawn" urgent>
        <p>{formatSentence(status.drawError)}</p>
      </Notice>
    );
  }
  if (status?.renderer?.contextLost) {
    return <Notice state="context-lost" title="The graphics device was lost; waiting for it" />;
  }
  if (status?.picture == null) {
    return <Notice state="no-frame" title="Connected, waiting for the first frame" />;
  }
  return null;
}
