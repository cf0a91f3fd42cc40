/** What browsers will be shown. Nothing is made here. */

import { X509Certificate } from "node:crypto";
import { certifiedNames } from "../../../core/hosts.ts";
import { messageOf } from "../../../core/errors.ts";
import { givenPair, isFor, keptCertificate } from "../../../core/tls.ts";
import type { Box, Check, Finding } from "../check.ts";

const DAY_MS = 86_400_000;
/** Of the user's own: nobody renews it but he. */
const REMAINING_DAYS_MIN = 14;
const name = "tls";

export const certificate: Check = {
  name,
  run: (box) => [findingOf(box)],
};

function findingOf({ settings, dataDir, nowMs }: Box): Finding {
  const { tls, tlsCert, tlsKey } = settings;
  if (tlsCert !== undefined && tlsKey !== undefined) return given(tlsCert, tlsKey, settings, nowMs);
  if (tls === undefined) {
    const text = "none: plain HTTP on loopback; WebTransport makes its own at each start";
    return { name, level: "ok", text, facts: { kind: "none" } };
  }
  const kept = keptCertificate(dataDir);
  const text = kept === null
    ? "serve makes a self-signed one at its first start"
    : `self-signed, good until ${dateOf(kept)}; renewed at a start in its last 90 days`;
  const facts = { kind: "self-signed", valid_to: kept === null ? null : dateOf(kept) };
  return { name, level: "ok", text, facts };
}

function given(path: string, keyPath: string, settings: Box["settings"], nowMs: number): Finding {
  let found: X509Certificate;
  try {
    found = new X509Certificate(givenPair(path, keyPath, nowMs).certificatePem);
  } catch (error) {
    return {
      name,
      level: "fail",
      text: messageOf(error),
      change: {
        why: "the certificate cannot be used",
        command: "telebridge serve --tls self-signed   # until there is a good one",
      },
    };
  }
  const days = Math.floor((Date.parse(found.validTo) - nowMs) / DAY_MS);
  const facts = { kind: "given", path, valid_to: dateOf(found), days };
  const text = `${path}, good until ${dateOf(found)}`;
  if (days < REMAINING_DAYS_MIN) {
    return {
      name,
      level: "warn",
      text,
      facts,
      change: {
        why: `the certificate ends in ${days} days`,
        command: `openssl x509 -noout -enddate -in ${path}   # renew it, and restart serve`,
      },
    };
  }
  const names = certifiedNames(settings).filter((host) =>
    settings.allowHosts.includes(host) && !isFor(found, host)
  );
  if (names.length === 0) return { name, level: "ok", text, facts };
  return {
    name,
    level: "warn",
    text: `${text}; not for ${names.join(", ")}`,
    facts,
    change: {
      why: `browsers refuse the certificate for ${names.join(", ")}`,
      command: `openssl x509 -noout -ext subjectAltName -in ${path}   # the names it is for`,
    },
  };
}

function dateOf(found: X509Certificate): string {
  return new Date(found.validTo).toISOString().slice(0, 10);
}
