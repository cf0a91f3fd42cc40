/** The ports that `serve` would take: free, or by whom they are taken. */

import { findServer, type ServeInfo } from "../../../core/data_dir.ts";
import { messageOf } from "../../../core/errors.ts";
import type { Box, Check, Finding } from "../check.ts";
import { ownerInWords, ownerOfPort } from "../port_owner.ts";

const LOOPBACK = "127.0.0.1";
/** Tried for another to propose. */
const NEXT_PORTS_COUNT = 20;

export const ports: Check = {
  name: "ports",
  async run(box) {
    const server = await findServer(box.dataDir);
    return [await webFinding(box, server), ...await grpcFindings(box)];
  },
};

async function webFinding(
  { settings: { host, port } }: Box,
  server: ServeInfo | null,
): Promise<Finding> {
  const name = "web";
  if (port === 0) return { name, level: "ok", text: `any free port of ${host}` };
  const facts = { host, port };
  const refusal = tryTcp(host, port);
  if (refusal === null) {
    const udp = tryUdp(host, port);
    const udpSays = udp === null
      ? "TCP and UDP"
      : "TCP; UDP is taken, so WebTransport uses another";
    return { name, level: "ok", text: `port ${port} of ${host} is free: ${udpSays}`, facts };
  }
  if (!(refusal instanceof Deno.errors.AddrInUse)) return cannotListen(host, port, refusal);
  const owner = await ownerOfPort(port);
  const withOwner = { ...facts, taken_by: owner };
  if (server !== null && owner?.pid === server.pid) {
    const text = `port ${port} of ${host} has the server that runs here`;
    return { name, level: "ok", text, facts: withOwner };
  }
  const by = ownerInWords(owner);
  return {
    name,
    level: "fail",
    text: `port ${port} of ${host} is taken by ${by}`,
    facts: withOwner,
    change: {
      why: `port ${port} is taken by ${by}, so serve needs another`,
      command: `telebridge serve --port ${nextFree(host, port)}`,
    },
  };
}

function cannotListen(host: string, port: number, refusal: Error): Finding {
  const isReserved = refusal instanceof Deno.errors.PermissionDenied;
  return {
    name: "web",
    level: "fail",
    text: `cannot listen on ${host}, port ${port}: ${refusal.message}`,
    facts: { host, port },
    change: {
      why: isReserved
        ? `ports below 1024 are root's, ${port} among them`
        : `${host} is no address of this machine`,
      command: isReserved
        ? `telebridge serve --port ${nextFree(host, 7447)}`
        : "ip -brief address   # those it has; give one of them with --host",
    },
  };
}

/** Serve takes another port by itself, and its clients find it. */
async function grpcFindings({ settings: { grpcHost, grpcPort } }: Box): Promise<Finding[]> {
  const name = "grpc";
  if (grpcPort === 0) return [{ name, level: "ok", text: `any free port of ${LOOPBACK}` }];
  const wanted: [host: string, port: number][] = [[LOOPBACK, grpcPort]];
  if (grpcHost !== undefined) wanted.push([grpcHost, grpcPort + 1]);
  return await Promise.all(wanted.map(async ([host, port]): Promise<Finding> => {
    const refusal = tryTcp(host, port);
    const facts = { host, port };
    if (refusal === null) {
      return { name, level: "ok", text: `port ${port} of ${host} is free`, facts };
    }
    const isTaken = refusal instanceof Deno.errors.AddrInUse;
    const owner = isTaken ? await ownerOfPort(port) : null;
    const text = isTaken
      ? `port ${port} of ${host} is taken by ${ownerInWords(owner)}: serve uses another`
      : `cannot listen on ${host}, port ${port}: ${refusal.message}`;
    return { name, level: "note", text, facts: { ...facts, taken_by: owner } };
  }));
}

/** null: it is free. */
function tryTcp(hostname: string, port: number): Error | null {
  try {
    Deno.listen({ hostname, port }).close();
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

function tryUdp(hostname: string, port: number): Error | null {
  try {
    Deno.listenDatagram({ transport: "udp", hostname, port }).close();
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

function nextFree(host: string, port: number): number {
  for (let next = port + 3; next < port + NEXT_PORTS_COUNT; next++) {
    if (tryTcp(host, next) === null) return next;
  }
  return 0;
}
