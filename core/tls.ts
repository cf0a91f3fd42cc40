/** The certificate that HTTPS shows: the user's own, or one made once and kept in the data directory. */

import { getLogger } from "@logtape/logtape";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { join } from "node:path";
import { LONG_CERTIFICATE_LIFE_MS, makeCertificate } from "./certificates.ts";
import { readFileIfAny, readPrivateFileIfAny, writePrivateFile } from "./data_dir.ts";
import { messageOf, UserError } from "./errors.ts";
import type { Settings } from "./settings.ts";

const DAY_MS = 86_400_000;
const CERTIFICATE_FILE = "tls-cert.pem";
/** One kept from an earlier start is made anew when it has less left: it is not renewed while the server runs. */
const REMAINING_MS_MIN = 90 * DAY_MS;

const logger = getLogger(["telebridge", "tls"]);

export interface TlsKeyPair {
  certificatePem: string;
  privateKeyPem: string;
}

/** null: plain HTTP, on loopback only. */
export async function loadTls(
  settings: Settings,
  dataDir: string,
  names: readonly string[],
  nowMs: number,
): Promise<TlsKeyPair | null> {
  if (settings.tlsCert !== undefined && settings.tlsKey !== undefined) {
    return givenPair(settings.tlsCert, settings.tlsKey, nowMs);
  }
  if (settings.tls !== "self-signed") return null;
  const pair = await keptPair(dataDir, names, nowMs);
  const { validTo } = new X509Certificate(pair.certificatePem);
  logger
    .info`the self-signed certificate is good until ${validTo}; a restart in its last 90 days renews it`;
  return pair;
}

/** The user's own files, checked here: the HTTP server would start with any, and fail every handshake. */
export function givenPair(
  certificatePath: string,
  privateKeyPath: string,
  nowMs: number,
): TlsKeyPair {
  const [certificatePem, certificate] = readPem(
    "--tls-cert",
    certificatePath,
    "certificate",
    (pem) => new X509Certificate(pem),
  );
  const [privateKeyPem, privateKey] = readPem(
    "--tls-key",
    privateKeyPath,
    "private key",
    (pem) => createPrivateKey(pem),
  );
  const publicKeys = [certificate.publicKey, createPublicKey(privateKey)]
    .map((key) => key.export({ type: "spki", format: "pem" }));
  if (publicKeys[0] !== publicKeys[1]) {
    throw new UserError(
      `${privateKeyPath} is not the key of the certificate in ${certificatePath}`,
    );
  }
  if (Date.parse(certificate.validTo) < nowMs) {
    throw new UserError(`--tls-cert: ${certificatePath} was valid until ${certificate.validTo}`);
  }
  return { certificatePem, privateKeyPem };
}

function readPem<Parsed>(
  flag: string,
  path: string,
  what: string,
  parse: (pem: string) => Parsed,
): [pem: string, parsed: Parsed] {
  const pem = readFileIfAny(path);
  if (pem === null) throw new UserError(`${flag}: there is no file ${path}`);
  try {
    return [pem, parse(pem)];
  } catch (error) {
    throw new UserError(`${flag}: ${path} holds no ${what} in PEM format: ${messageOf(error)}`);
  }
}

/** The one that was made before; null without it. */
export function keptCertificate(dataDir: string): X509Certificate | null {
  const pem = readFileIfAny(join(dataDir, CERTIFICATE_FILE));
  return pem === null ? null : new X509Certificate(pem);
}

async function keptPair(
  dataDir: string,
  names: readonly string[],
  nowMs: number,
): Promise<TlsKeyPair> {
  const certificatePath = join(dataDir, CERTIFICATE_FILE);
  const privateKeyPath = join(dataDir, "tls-key.pem");
  const kept = {
    certificatePem: readFileIfAny(certificatePath),
    privateKeyPem: readPrivateFileIfAny(privateKeyPath),
  };
  if (kept.certificatePem !== null && kept.privateKeyPem !== null) {
    const { certificatePem, privateKeyPem } = kept;
    if (covers(certificatePem, names, nowMs)) return { certificatePem, privateKeyPem };
  }
  const made = await makeCertificate({ names, nowMs, lifeMs: LONG_CERTIFICATE_LIFE_MS });
  writePrivateFile(privateKeyPath, made.privateKeyPem);
  writePrivateFile(certificatePath, made.certificatePem);
  return made;
}

/** Whether a kept certificate is still good for all `names`. */
function covers(certificatePem: string, names: readonly string[], nowMs: number): boolean {
  const certificate = new X509Certificate(certificatePem);
  if (Date.parse(certificate.validTo) - nowMs < REMAINING_MS_MIN) return false;
  return names.every((name) => isFor(certificate, name));
}

/** Whether it holds for a host name, or for an address as it stands in a URL. */
export function isFor(certificate: X509Certificate, name: string): boolean {
  const address = name.replace(/^\[(.*)\]$/, "$1");
  const found = isIP(address) === 0 ? certificate.checkHost(name) : certificate.checkIP(address);
  return found !== undefined;
}
