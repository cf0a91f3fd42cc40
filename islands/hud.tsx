/** The numbers over the picture, as the worker wrote them last. */

import { formatCount, formatNumber, formatRate } from "./format.ts";
import type { RunModel } from "./run_model.ts";

function Tile({ name, label, value }: { name: string; label: string; value: string }) {
  return (
    <div class="hud-tile">
      <dt>{label}</dt>
      <dd data-hud={name}>{value}</dd>
    </div>
  );
}

export function Hud({ model }: { model: RunModel }) {
  const status = model.client.status.value;
  const picture = status?.picture;
  // A worker that never wrote its HUD block still stamps every frame.
  const hud = status?.hud;
  return (
    <dl class="hud" aria-label="Numbers of the run">
      <Tile name="episode" label="Episode" value={formatCount(hud?.episode ?? picture?.episode)} />
      <Tile name="step" label="Step" value={formatCount(hud?.step ?? picture?.step)} />
      <Tile name="reward" label="Reward" value={formatNumber(hud?.lastReward ?? picture?.reward)} />
      <Tile name="return" label="Return" value={formatNumber(hud?.episodeReturn)} />
      <Tile name="avg-reward" label="Reward, 1 s" value={formatNumber(hud?.avgReward1s)} />
      <Tile name="rate" label="Steps/s" value={formatRate(hud?.stepRateHz)} />
      <Tile name="loss" label="Loss" value={formatNumber(hud?.loss)} />
    </dl>
  );
}
