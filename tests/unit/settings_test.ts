import { Command } from "commander";
import assert from "node:assert/strict";
import { addSettingOptions, givenFlags } from "../../cli/setting_options.ts";
import { UserError } from "../../core/errors.ts";
import {
  DEFAULT_SETTINGS,
  environmentNameOf,
  resolveSettings,
  type SettingSources,
} from "../../core/settings.ts";

function resolve(sources: Partial<SettingSources>) {
  return resolveSettings({ flags: {}, environment: {}, file: null, ...sources });
}

function file(text: string) {
  return { path: "/etc/telebridge.toml", text };
}

Deno.test("settings: without any source they are the defaults", () => {
  assert.deepEqual(resolve({}), DEFAULT_SETTINGS);
});

Deno.test("settings: a flag wins over its variable, a variable over the file", () => {
  const text = "port = 1\nviewers-max = 2\nlog-level = 'debug'";
  const environment = { TELEBRIDGE_PORT: "3", TELEBRIDGE_VIEWERS_MAX: "4" };
  const settings = resolve({ flags: { port: "5" }, environment, file: file(text) });
  assert.equal(settings.port, 5);
  assert.equal(settings.viewersMax, 4);
  assert.equal(settings.logLevel, "debug");
});

Deno.test("settings: lists and switches have their form in every source", () => {
  assert.deepEqual(resolve({ flags: { allowHosts: ["a", "b"] } }).allowHosts, ["a", "b"]);
  const environment = { TELEBRIDGE_ALLOW_HOST: "a, b", TELEBRIDGE_DEMO: "yes" };
  assert.deepEqual(resolve({ environment }).allowHosts, ["a", "b"]);
  assert.equal(resolve({ environment }).demo, true);
  assert.deepEqual(resolve({ file: file('allow-host = ["a"]') }).allowHosts, ["a"]);
  const names = ["GPU-box.lan", "192.0.2.1", "2001:db8::1"];
  assert.deepEqual(resolve({ flags: { allowHosts: names } }).allowHosts, names);
});

Deno.test("settings: the time between keyframes may be a part of a second", () => {
  assert.equal(resolve({ flags: { gop: "0.5" } }).gop, 0.5);
  assert.equal(resolve({ file: file("gop = 2") }).gop, 2);
  assert.equal(resolve({}).gop, undefined);
});

const refused: [string, Partial<SettingSources>, RegExp][] = [
  ["a port that is none", { flags: { port: "http" } }, /^--port is "http", expected a number/],
  ["a port out of range", { flags: { port: "65536" } }, /--port .*TELEBRIDGE_PORT.*"port"/],
  ["an empty port", { flags: { port: " " } }, /--port/],
  ["a variable", { environment: { TELEBRIDGE_LOG_LEVEL: "loud" } }, /^TELEBRIDGE_LOG_LEVEL is/],
  ["an encoder that there is not", { flags: { encoder: "h265" } }, /^--encoder .*nvenc, x264/],
  ["a GOP of no time", { flags: { gop: "0" } }, /^--gop is 0, expected a number from 0\.1 to 60/],
  ["a lane", { environment: { TELEBRIDGE_LANE: "fast" } }, /^TELEBRIDGE_LANE is "fast"/],
  ["a name with a port", { flags: { allowHosts: ["gpu.lan:7447"] } }, /^--allow-host .*bare names/],
  ["a name with a scheme", { flags: { allowHosts: ["https://gpu.lan"] } }, /without a scheme/],
  ["a switch", { environment: { TELEBRIDGE_DEMO: "maybe" } }, /TELEBRIDGE_DEMO/],
  ["a key's value", { file: file("port = 'a'") }, /^"port" in \/etc\/telebridge\.toml is "a"/],
  ["an unknown key", { file: file("prot = 1") }, /unknown key "prot"; known are host, port/],
  ["a file that is no TOML", { file: file("port =") }, /cannot read \/etc\/telebridge\.toml/],
  ["a certificate without its key", { flags: { tlsCert: "a" } }, /belong together/],
  ["an open address without TLS", { flags: { host: "0.0.0.0" } }, /--host 0\.0\.0\.0 --tls self-/],
  [
    "two kinds of TLS",
    { flags: { tls: "self-signed", tlsCert: "a", tlsKey: "b" } },
    /exclude one another/,
  ],
];

for (const [what, sources, message] of refused) {
  Deno.test(`settings: ${what} is refused with the words that help`, () => {
    assert.throws(() => resolve(sources), (error) => {
      assert(error instanceof UserError);
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("settings: environment twins are the flags in capitals", () => {
  assert.equal(environmentNameOf("tlsCert"), "TELEBRIDGE_TLS_CERT");
});

Deno.test("settings: a switch that is on elsewhere is turned off by its flag, and else left alone", () => {
  const demoOf = (...args: string[]) => {
    const command = new Command();
    addSettingOptions(command);
    command.parse(args, { from: "user" });
    return resolve({ flags: givenFlags(command), file: file("demo = true") }).demo;
  };
  assert.deepEqual([demoOf(), demoOf("--demo"), demoOf("--no-demo")], [true, true, false]);
});
