/** The certificate that HTTPS shows: the user's own, or one made once and kept in the data directory. */

import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { LONG_CERTIFICATE_LIFE_MS, makeCertificate } from "./certificates.ts";
import { readFileIfAny, writePrivateFile } from "./data_dir.ts";
import { UserError } from "./errors.ts";
import type { Settings } from "./settings.ts";

const DAY_MS = 86_400_000;
/** One kept from an earlier start is made anew when it has less left. */
const REMAINING_MS_MIN = 7 * DAY_MS;

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
    return {
      certificatePem: readPem("--tls-cert", settings.tlsCert),
      privateKeyPem: readPem("--tls-key", settings.tlsKey),
    };
  }
  return settings.tls === "self-signed" ? await keptPair(dataDir, names, nowMs) : null;
}

function readPem(flag: string, path: string): string {
  const text = readFileIfAny(path);
  if (text === null) throw new UserError(`${flag}: there is no file ${path}`);
  if (!text.includes("-----BEGIN ")) throw new UserError(`${flag}: ${path} is not in PEM format`);
  return text;
}

async function keptPair(
  dataDir: string,
  names: readonly string[],
  nowMs: number,
): Promise<TlsKeyPair> {
  const certificatePath = join(dataDir, "tls-cert.pem");
  const privateKeyPath = join(dataDir, "tls-key.pem");
  const kept = {
    certificatePem: readFileIfAny(certificatePath),
    privateKeyPem: readFileIfAny(privateKeyPath),
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
  const alternatives = certificate.subjectAltName ?? "";
  return names.every((name) => alternatives.includes(`:${name.replace(/^\[(.*)\]$/, "$1")}`));
}
