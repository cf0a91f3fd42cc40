/** Unguessable names. */

export function randomHex(bytesCount: number): string {
  return crypto.getRandomValues(new Uint8Array(bytesCount)).toHex();
}

/** base64url without padding. */
export function randomBase64Url(bytesCount: number): string {
  return crypto.getRandomValues(new Uint8Array(bytesCount))
    .toBase64({ alphabet: "base64url", omitPadding: true });
}
