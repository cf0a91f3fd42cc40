import assert from "node:assert/strict";
import { PixelFormat } from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import { openLibrary } from "../harness/library.ts";
import { LiveClient } from "../harness/live_client.ts";
import { planFor } from "../harness/plans.ts";
import { TestProducer } from "../harness/producer.ts";
import { getRequest, rawHttp } from "../harness/raw_http.ts";
import { Serve } from "../harness/serve.ts";
import { cardPixels, cardStride } from "../harness/test_card.ts";
import { waitFor } from "../harness/wait.ts";

/** Samples of Prometheus's text format by name and labels. Throws for a line that is none. */
function parseMetrics(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const types = new Set<string>();
  for (const line of text.trimEnd().split("\n")) {
    const type = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) types.add(type[1]!);
    if (line === "" || line.startsWith("# ")) continue;
    const sample = /^(\w+)(\{(?:\w+="[^"]*",?)*\})? (\S+)$/.exec(line);
    assert(sample !== null, `not a sample: ${line}`);
    const name = sample[1]!.replace(/_(bucket|sum|count)$/, "");
    assert(types.has(name) || types.has(sample[1]!), `no type: ${line}`);
    samples.set(sample[1]! + (sample[2] ?? ""), Number(sample[3]));
  }
  return samples;
}

Deno.test("metrics: what was sent is counted, in the format that Prometheus reads", async () => {
  await using box = await TestBox.create();
  const run = box.runId("counted");
  await TestProducer.start(box, planFor(run));
  const serve = await Serve.start(box);
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, run);
  await client.framesCount(20);
  const response = await serve.fetch("/metrics");
  assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  const samples = parseMetrics(await response.text());
  const of = (name: string) => samples.get(`telebridge_${name}`) ?? 0;
  const mine = `{run="${run}"}`;
  assert(of(`frames_sent_total${mine}`) >= 20);
  assert(of(`frames_read_total${mine}`) >= 20);
  assert(of(`frame_sent_bytes_total${mine}`) >= 20 * 160 * 120 * 3);
  assert(of(`acks_total${mine}`) >= 1);
  assert(of(`hub_wakes_total${mine}`) >= 10);
  assert.equal(of(`viewers${mine}`), 1);
  assert.equal(of('sessions{transport="websocket"}'), 1);
  assert(of('runs{phase="live"}') >= 1);
  assert(of("wake_to_send_seconds_count") >= 10);
  assert(of("resident_memory_bytes") > 1e6);
});

Deno.test("snapshot: a JPEG of the newest frame, in every raw format", async () => {
  await using box = await TestBox.create();
  box.enter();
  using library = openLibrary();
  const serve = await Serve.start(box);
  const [width, height] = [31, 17];
  for (const format of [1, 2, 3, 4, 5, 6]) {
    const run = box.runId("snap");
    using producer = library.openProducer(run, 64 * 1024);
    await waitFor("the run", async () => (await listed(serve, run)) !== undefined);
    const empty = await serve.fetch(`/runs/${run}/frame.jpg`);
    assert.equal(empty.status, 404);
    assert.match((await empty.json()).error, /no frame yet/);
    const card = { format, width, height, paddingBytes: format === PixelFormat.Nv12 ? 1 : 0 };
    const pixels = cardPixels(card, 1);
    producer.publish({ pixels, width, height, format, stride: cardStride(card) });
    const response = await serve.fetch(`/runs/${run}/frame.jpg`);
    assert.equal(response.status, 200, `format ${format}`);
    assert.equal(response.headers.get("cache-control"), "no-store");
    const picture = await createImageBitmap(await response.blob());
    assert.deepEqual([picture.width, picture.height], [width, height]);
  }
});

async function listed(serve: Serve, run: string): Promise<unknown> {
  const { runs } = await (await serve.fetch("/api/runs")).json();
  return runs.find(({ id }: { id: string }) => id === run);
}

Deno.test("snapshot: quality changes the size; nonsense, video and absent runs are told apart", async () => {
  await using box = await TestBox.create();
  box.enter();
  using library = openLibrary();
  const run = box.runId("quality");
  using producer = library.openProducer(run, 64 * 1024);
  const pixels = crypto.getRandomValues(new Uint8Array(64 * 64));
  producer.publish({ pixels, width: 64, height: 64, format: PixelFormat.Gray8 });
  const serve = await Serve.start(box);
  const take = (query: string) => serve.fetch(`/runs/${run}/frame.jpg${query}`);
  const bytes = async (query: string) => (await (await take(query)).bytes()).byteLength;
  assert(await bytes("?quality=10") < await bytes("?quality=95"));
  for (const query of ["?quality=0", "?quality=101", "?quality=high", "?quality=1.5"]) {
    const response = await take(query);
    await response.body?.cancel();
    assert.equal(response.status, 400, query);
  }
  producer.publish({ pixels, width: 64, height: 64, format: PixelFormat.H264 });
  const video = await take("");
  assert.equal(video.status, 503);
  await video.body?.cancel();
  const absent = await serve.fetch(`/runs/${box.runId("absent")}/frame.jpg`);
  assert.equal(absent.status, 404);
  await absent.body?.cancel();
});

Deno.test("snapshot: many at once are all answered, or told to come back", async () => {
  await using box = await TestBox.create();
  const run = box.runId("many");
  await TestProducer.start(box, planFor(run));
  const serve = await Serve.start(box);
  const wanted = Array.from({ length: 30 }, () => serve.fetch(`/runs/${run}/frame.jpg`));
  const answers = await Promise.all(wanted);
  for (const answer of answers) {
    assert([200, 503].includes(answer.status), `${answer.status}`);
    await answer.body?.cancel();
  }
  assert(answers.some(({ status }) => status === 200));
});

Deno.test("assets: kept for ever under their content's name, asked about under their own", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const page = await (await serve.fetch("/")).text();
  const path = /src="(\/assets\/main\.js\?v=[0-9a-f]{16})"/.exec(page)![1]!;
  const named = await serve.fetch(path);
  assert.match(named.headers.get("cache-control")!, /immutable/);
  assert.match(named.headers.get("content-type")!, /^text\/javascript/);
  await named.body?.cancel();
  const plain = await serve.fetch("/assets/main.js");
  await plain.body?.cancel();
  assert.equal(plain.headers.get("cache-control"), "no-cache");
  const again = await fetch(`${serve.origin}/assets/main.js`, {
    headers: { "if-none-match": plain.headers.get("etag")! },
  });
  assert.equal(again.status, 304);
});

Deno.test("http: headers that never end and headers without end are cut off", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const { port } = serve.ready;
  const slow = await rawHttp(port, "GET / HTTP/1.1\r\nHost: loc");
  assert.equal(slow.status, 408);
  const long = await rawHttp(port, getRequest("/", { host: "localhost", x: "a".repeat(50_000) }));
  assert.equal(long.status, 431);
  assert.equal((await serve.fetch("/healthz")).status, 200);
});

Deno.test("http: what is not there has a page for people and JSON for programs", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const headers = { accept: "text/html", authorization: `Bearer ${serve.ready.token}` };
  const page = await fetch(`${serve.origin}/<script>alert(1)</script>`, { headers });
  assert.equal(page.status, 404);
  assert(!(await page.text()).includes("<script>alert"));
  const json = await serve.fetch("/runs/.hidden");
  assert.equal(json.status, 404);
  assert.match((await json.json()).error, /nothing at/);
});
