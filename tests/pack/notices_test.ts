/** Whose software we hand on is named, with its licences, as far as other programs than tools/notices.ts see it. */

import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { PAGE_ENTRIES, SERVER_ENTRIES } from "../../tools/entries.ts";
import { archivesIn } from "../../tools/notices/archives.ts";
import { packageOf, withLicence } from "../../tools/notices/npm.ts";
import { renderNotices } from "../../tools/notices/software.ts";
import { ROOT, TestBox } from "../harness/box.ts";

const NOTICES = `${ROOT}dist/THIRD_PARTY_NOTICES.txt`;
const LIBRARY_NOTICES = `${ROOT}native/build/THIRD_PARTY_NOTICES.txt`;

function run(command: string, ...args: string[]): Uint8Array {
  const { success, stdout, stderr } = new Deno.Command(command, { args, cwd: ROOT }).outputSync();
  assert(success, `${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}

function makeNotices(...flags: string[]): void {
  run(Deno.execPath(), "run", "--quiet", "--allow-all", "tools/notices.ts", ...flags);
}

/** Packages of the modules that a source map lists: what esbuild took, before anything was left out. */
function packagesInMap(folder: string, entry: string, platform: string): string[] {
  const bundle = `${folder}/bundle.mjs`;
  run(
    Deno.execPath(),
    ...["bundle", "--quiet", "--minify", "--sourcemap=external", `--platform=${platform}`],
    ...[`--output=${bundle}`, entry],
  );
  const { sources }: { sources: string[] } = JSON.parse(Deno.readTextFileSync(`${bundle}.map`));
  return [...new Set(sources.flatMap(packageOf))];
}

Deno.test("notices: every package of the server's and the pages' bundles is named", async () => {
  await using box = await TestBox.create();
  makeNotices();
  const lines = new Set(Deno.readTextFileSync(NOTICES).split("\n"));
  const bundles = [
    ...SERVER_ENTRIES.map((entry) => packagesInMap(box.folder, entry, "deno")),
    ...Object.values(PAGE_ENTRIES).map((entry) => packagesInMap(box.folder, entry, "browser")),
  ];
  const packages = new Set(bundles.flat());
  for (const known of ["@grpc/grpc-js", "commander", "preact", "twgl.js", "uplot", "ws"]) {
    assert([...packages].some((id) => id.startsWith(`${known}@`)), `${known} is in no bundle`);
  }
  const missing = [...packages].filter((id) => !lines.has(id.replace(/@(?=\d)/, " ")));
  assert.deepEqual(missing, []);
});

Deno.test("notices: every library that native/Makefile links is named, also for the clients", () => {
  makeNotices();
  makeNotices("--library");
  const recipe = /\$\(BUILD\)\/whole\.o:[^]*?\n\n/.exec(
    Deno.readTextFileSync(`${ROOT}native/Makefile`),
  );
  const archives = [...recipe![0].matchAll(/ -l(\S+)/g)].map(([, name]) => `lib${name}.a`);
  assert(archives.includes("libopenh264.a"));
  for (const path of [NOTICES, LIBRARY_NOTICES]) {
    const text = Deno.readTextFileSync(path);
    const missing = archives.filter((archive) =>
      !text.match(new RegExp(`^(.*, )?${RegExp.escape(archive)}[ ,].*Debian's package`, "m"))
    );
    assert.deepEqual(missing, [], path);
  }
  assert(!Deno.readTextFileSync(LIBRARY_NOTICES).includes("preact"));
});

Deno.test("notices: the same sources give the same bytes, in whatever order they are found", () => {
  makeNotices();
  const before = Deno.readFileSync(NOTICES);
  makeNotices();
  assert.deepEqual(Deno.readFileSync(NOTICES), before);
  const section = (...names: string[]) => [{
    title: "t",
    introduction: "i",
    software: names.map((name) => ({ name, version: "1", licenceText: name.slice(1) })),
  }];
  const text = renderNotices("h", section("bx", "ay", "ax"));
  assert.equal(text, renderNotices("h", section("ax", "ay", "bx")));
  assert(text.includes("ax 1\nbx 1\n\nx\n"), "packages with the same text stand above it together");
});

Deno.test("notices: a package without the text of its licence is an error that says what to do", async () => {
  await using box = await TestBox.create();
  const localPath = box.folder;
  Deno.writeTextFileSync(`${localPath}/package.json`, `{ "license": "MIT" }`);
  const found = { name: "left-out", version: "1.0.0", localPath };
  assert.throws(
    () => withLicence(found),
    /left-out 1\.0\.0 .* no licence file: .* WITHOUT_FILE/s,
  );
  Deno.writeTextFileSync(`${localPath}/LICENCE.md`, "as you like");
  assert.equal(withLicence(found).licenceText, "as you like");
  assert.throws(
    () => withLicence({ ...found, name: "@bufbuild/protobuf" }),
    /take it out of WITHOUT_FILE/,
  );
});

Deno.test("notices: of a linker's map, archives count that something was taken from", () => {
  const map = `Archive member included to satisfy reference by file (symbol)

/usr/lib/gcc/x86_64-linux-gnu/12/../../../x86_64-linux-gnu/libyuv.a(convert.o)
                              build/src/convert.o (I420Copy)

Discarded input sections

LOAD /usr/lib/libnot.a
 .text 0x0 /usr/lib/libneither.a(a.o)
`;
  assert.deepEqual(archivesIn(map), ["/usr/lib/x86_64-linux-gnu/libyuv.a"]);
});

Deno.test("notices: telebridge is under Apache-2.0 wherever it says so", () => {
  const read = (path: string) => Deno.readTextFileSync(ROOT + path);
  assert.match(read("LICENSE"), /^\s*Apache License\s+Version 2\.0, January 2004/);
  assert.equal(config.license, "Apache-2.0");
  const license = /^license = .*"(.*)"/m.exec(read("clients/python/pyproject.toml"));
  assert.equal(license?.[1], config.license);
  const version = /^version = "(.*)"/m.exec(read("clients/python/pyproject.toml"));
  assert.equal(version?.[1], config.version);
});
