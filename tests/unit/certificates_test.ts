import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { makeCertificate, SHORT_CERTIFICATE_LIFE_MS } from "../../core/certificates.ts";
import { DEFAULT_SETTINGS } from "../../core/settings.ts";
import { loadTls } from "../../core/tls.ts";
import { UserError } from "../../core/errors.ts";
import { TestBox } from "../harness/box.ts";

const DAY_MS = 86_400_000;

Deno.test("certificates: what WebTransport demands: P-256, under 14 days, the hash of the DER", async () => {
  const nowMs = Date.now();
  const made = await makeCertificate({
    names: ["localhost", "[::1]", "10.1.2.3"],
    nowMs,
    lifeMs: SHORT_CERTIFICATE_LIFE_MS,
  });
  const certificate = new X509Certificate(made.certificatePem);
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  const spanMs = Date.parse(certificate.validTo) - Date.parse(certificate.validFrom);
  assert(spanMs < 14 * DAY_MS && spanMs >= 12 * DAY_MS, `${spanMs / DAY_MS} days`);
  assert(Date.parse(certificate.validFrom) < nowMs && nowMs < Date.parse(certificate.validTo));
  const digest = createHash("sha256").update(certificate.raw).digest();
  assert.deepEqual(made.hash, new Uint8Array(digest));
  for (const name of ["DNS:localhost", "10.1.2.3"]) {
    assert(certificate.subjectAltName!.includes(name), name);
  }
});

Deno.test("tls: a self-signed certificate is kept, and made anew for a new name or near its end", async () => {
  await using box = await TestBox.create();
  const settings = { ...DEFAULT_SETTINGS, tls: "self-signed" } as const;
  const load = (names: string[], nowMs: number) => loadTls(settings, box.dataDir, names, nowMs);
  const nowMs = Date.now();
  const names = ["localhost", "[::1]", "127.0.0.1"];
  const first = await load([...names, "gpu-box"], nowMs);
  assert.equal((await load(names, nowMs))!.certificatePem, first!.certificatePem);
  assert.notEqual((await load(["gpu"], nowMs))!.certificatePem, first!.certificatePem);
  const renamed = await load(["localhost", "gpu-box.lan"], nowMs);
  assert.notEqual(renamed!.certificatePem, first!.certificatePem);
  const renewed = await load(["localhost", "gpu-box.lan"], nowMs + 395 * DAY_MS);
  assert.notEqual(renewed!.certificatePem, renamed!.certificatePem);
  assert.equal(Deno.statSync(`${box.dataDir}/tls-key.pem`).mode! & 0o777, 0o600);
});

Deno.test("tls: files that cannot serve are refused at the start", async () => {
  await using box = await TestBox.create();
  const nowMs = Date.now();
  const names = ["localhost"];
  const [one, other] = [
    await makeCertificate({ names, nowMs, lifeMs: DAY_MS }),
    await makeCertificate({ names, nowMs, lifeMs: DAY_MS }),
  ];
  const write = (name: string, text: string) => {
    Deno.writeTextFileSync(`${box.folder}/${name}`, text);
    return `${box.folder}/${name}`;
  };
  const certificate = write("c.pem", one.certificatePem);
  const key = write("k.pem", one.privateKeyPem);
  const garbage = write("g.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const load = (tlsCert: string, tlsKey: string, atMs = nowMs) =>
    loadTls({ ...DEFAULT_SETTINGS, tlsCert, tlsKey }, box.dataDir, names, atMs);
  assert.equal((await load(certificate, key))!.certificatePem, one.certificatePem);
  const refused: [Promise<unknown>, RegExp][] = [
    [load(garbage, key), /g\.pem holds no certificate/],
    [load(certificate, garbage), /g\.pem holds no private key/],
    [load(certificate, write("o.pem", other.privateKeyPem)), /o\.pem is not the key of/],
    [load(certificate, key, nowMs + 2 * DAY_MS), /was valid until/],
  ];
  for (const [loading, message] of refused) {
    await assert.rejects(loading, (error) => {
      assert(error instanceof UserError);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("tls: a certificate that is not there is named", async () => {
  await using box = await TestBox.create();
  const settings = { ...DEFAULT_SETTINGS, tlsCert: "/nowhere/c.pem", tlsKey: "/nowhere/k.pem" };
  await assert.rejects(
    loadTls(settings, box.dataDir, [], Date.now()),
    (error) => error instanceof UserError && error.message.includes("/nowhere/c.pem"),
  );
});
