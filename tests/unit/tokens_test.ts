import assert from "node:assert/strict";
import { UserError } from "../../core/errors.ts";
import { Authority, controlTokenPath, loadToken } from "../../core/tokens.ts";
import { TestBox } from "../harness/box.ts";

function authority(clock: { nowMs: number }): Authority {
  return new Authority({
    controlToken: "c".repeat(43),
    viewToken: "v".repeat(43),
    nowMs: () => clock.nowMs,
  });
}

Deno.test("tokens: one is made at first use, for its owner only, and kept", async () => {
  await using box = await TestBox.create();
  const path = controlTokenPath(box.dataDir);
  const token = loadToken(path);
  assert.match(token, /^[A-Za-z0-9_-]{43}$/);
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  assert.equal(loadToken(path), token);
});

Deno.test("tokens: a file that holds none is an error, not an open door", async () => {
  await using box = await TestBox.create();
  const path = controlTokenPath(box.dataDir);
  for (const text of ["", "short", "a".repeat(44)]) {
    Deno.writeTextFileSync(path, text, { mode: 0o600 });
    assert.throws(() => loadToken(path), UserError);
  }
});

Deno.test("tokens: one that others may have read or written is not taken", async () => {
  await using box = await TestBox.create();
  const path = controlTokenPath(box.dataDir);
  loadToken(path);
  Deno.chmodSync(path, 0o640);
  assert.throws(() => loadToken(path), (error) => {
    assert(error instanceof UserError);
    assert.match(error.message, /others may read or change .*remove it/);
    return true;
  });
});

Deno.test("tokens: each allows what it is for, others nothing", () => {
  const tokens = authority({ nowMs: 0 });
  assert.equal(tokens.accessOf("c".repeat(43)), "control");
  assert.equal(tokens.accessOf("v".repeat(43)), "view");
  for (const wrong of ["", "c", "c".repeat(42) + "d", "c".repeat(44), "ü".repeat(43)]) {
    assert.equal(tokens.accessOf(wrong), null);
  }
});

Deno.test("tickets: good once, and for 30 s", () => {
  const clock = { nowMs: 0 };
  const tokens = authority(clock);
  const ticket = tokens.issueTicket("view");
  assert.equal(tokens.redeemTicket(ticket), "view");
  assert.equal(tokens.redeemTicket(ticket), null, "used");
  const late = tokens.issueTicket("control");
  clock.nowMs = 30_000;
  assert.equal(tokens.redeemTicket(late), null, "too old");
  assert.equal(tokens.redeemTicket("unknown"), null);
});

Deno.test("tickets: however many are asked for, a bounded number is kept, the newest", () => {
  const tokens = authority({ nowMs: 0 });
  const tickets = Array.from({ length: 2000 }, () => tokens.issueTicket("control"));
  const good = tickets.map((ticket) => tokens.redeemTicket(ticket) !== null);
  assert.equal(good.filter(Boolean).length, 1024);
  assert.equal(good[0], false);
  assert.equal(good.at(-1), true);
});

Deno.test("tickets: those who only watch use up nobody else's", () => {
  const tokens = authority({ nowMs: 0 });
  const ticket = tokens.issueTicket("control");
  for (let count = 0; count < 2000; count++) tokens.issueTicket("view");
  assert.equal(tokens.redeemTicket(ticket), "control");
});
