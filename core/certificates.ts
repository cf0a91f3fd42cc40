/**
 * Certificates that the server makes itself. WebTransport takes one that no authority signed when the page knows its
 * hash, it uses ECDSA P-256 and lives at most 14 days (W3C WebTransport, `serverCertificateHashes`).
 */

import "reflect-metadata";
import {
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { isIP } from "node:net";
import { randomHex } from "./random.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;
/** Life of WebTransport's certificates; a day under the limit, for clocks that differ. */
export const SHORT_CERTIFICATE_LIFE_MS = 13 * DAY_MS;
/** Life of `--tls self-signed`, which a person accepts in the browser once. */
export const LONG_CERTIFICATE_LIFE_MS = 397 * DAY_MS;
/** A viewer's clock may be behind ours by so much. */
const CLOCK_SKEW_MS = 60 * 60 * 1000;
const SERIAL_BYTES = 8;

export interface Certificate {
  certificatePem: string;
  privateKeyPem: string;
  /** SHA-256 of the certificate's DER form. */
  hash: Uint8Array<ArrayBuffer>;
  expiresAtMs: number;
}

/** Makes a self-signed certificate for host names and addresses. Its whole span, skew included, is `lifeMs`. */
export async function makeCertificate(
  options: { names: readonly string[]; nowMs: number; lifeMs: number },
): Promise<Certificate> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const startsAtMs = options.nowMs - Math.min(CLOCK_SKEW_MS, options.lifeMs / 2);
  const expiresAtMs = startsAtMs + options.lifeMs;
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // The first bit of a serial number is its sign.
    serialNumber: `01${randomHex(SERIAL_BYTES)}`,
    name: "CN=telebridge",
    notBefore: new Date(startsAtMs),
    notAfter: new Date(expiresAtMs),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [new SubjectAlternativeNameExtension(options.names.map(alternativeName))],
  });
  const privateKey = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    certificatePem: certificate.toString("pem"),
    privateKeyPem: PemConverter.encode(privateKey, "PRIVATE KEY"),
    hash: new Uint8Array(await crypto.subtle.digest("SHA-256", certificate.rawData)),
    expiresAtMs,
  };
}

function alternativeName(name: string): { type: "ip" | "dns"; value: string } {
  const address = name.replace(/^\[(.*)\]$/, "$1");
  return isIP(address) === 0 ? { type: "dns", value: name } : { type: "ip", value: address };
}
