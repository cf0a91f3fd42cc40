import assert from "node:assert/strict";
import { HostRules, reachableNames } from "../../core/hosts.ts";
import { DEFAULT_SETTINGS, type Settings } from "../../core/settings.ts";

function rules(settings: Partial<Settings> = {}, tls = false): HostRules {
  return new HostRules({ names: reachableNames({ ...DEFAULT_SETTINGS, ...settings }), tls });
}

Deno.test("hosts: loopback's names are known, on any port", () => {
  for (const host of ["localhost:7447", "127.0.0.1:1", "[::1]:7447", "LOCALHOST", "127.0.0.1"]) {
    assert(rules().allowsHost(host), host);
  }
});

Deno.test("hosts: others are not, whatever they resolve to or look like", () => {
  const strangers = [
    undefined,
    "",
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example#localhost",
    "evil.example/localhost",
    "localhost@evil.example",
    "evil@localhost",
    "127.0.0.1:port",
    "localhost?; script-src *",
    "localhost?",
    "localhost#",
    "localhost/",
    ":password@localhost",
    "::1",
  ];
  for (const host of strangers) assert(!rules().allowsHost(host), `${host}`);
});

Deno.test("hosts: --allow-host adds a name, without regard to case", () => {
  const open = rules({ allowHosts: ["GPU-box.lan"] });
  assert(open.allowsHost("gpu-box.LAN:7447"));
  assert(!open.allowsHost("gpu-box.lan.evil.example"));
});

Deno.test("hosts: a server on all addresses knows the machine's own name", () => {
  assert(rules({ host: "0.0.0.0" }, true).allowsHost(Deno.hostname()));
  assert(!rules().allowsHost("10.1.2.3"));
  assert(rules({ host: "10.1.2.3" }, true).allowsHost("10.1.2.3:7447"));
});

Deno.test("origins: only the page that came from this very address, or none", () => {
  const own = rules();
  assert(own.allowsOrigin(undefined, "localhost:7447"));
  assert(own.allowsOrigin("http://localhost:7447", "localhost:7447"));
  const strangers = [
    "http://localhost:8080",
    "https://localhost:7447",
    "http://127.0.0.1:7447",
    "http://evil.example",
    "null",
    "",
    "http://localhost:7447/path",
    "http://user@localhost:7447",
  ];
  for (const origin of strangers) assert(!own.allowsOrigin(origin, "localhost:7447"), origin);
  assert(!own.allowsOrigin("http://evil.example", "evil.example"));
});
