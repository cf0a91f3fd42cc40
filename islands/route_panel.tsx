/** Which way the pictures of a run with a connected worker come, and the knob that prefers one. */

import type { Route } from "../proto/wire.ts";
import { Choice, Panel, Row } from "./panel.tsx";
import type { RunModel } from "./run_model.ts";

const ROUTES = [["auto", "Auto"], ["ring", "Ring"], ["grpc", "gRPC"]] as const satisfies readonly (
  readonly [Route["prefer"], string]
)[];

export function RoutePanel({ model }: { model: RunModel }) {
  const { client, run } = model;
  const route = client.durable.value?.routes.find((route) => route.run === run);
  if (route === undefined) return null;
  const { ringVisible, publishesFrames, prefer } = route;
  const mayChoose = model.connection.value?.access === "control";
  const comes = publishesFrames ? "gRPC" : ringVisible ? "Shared memory" : "–";
  return (
    <Panel title="Route">
      {prefer === "ring" && !ringVisible && (
        <p class="note" role="status">
          This machine does not see the run's ring, so that no picture comes this way.
        </p>
      )}
      <dl class="rows">
        <Row
          label="Pictures come by"
          name="route"
          detail={ringVisible ? null : "the ring is not on this machine"}
        >
          {comes}
        </Row>
      </dl>
      {mayChoose && (
        <Choice
          label="Prefer"
          name="route"
          value={prefer}
          choices={ROUTES}
          onChange={(prefer) => client.setRoute({ run, prefer })}
        />
      )}
    </Panel>
  );
}
