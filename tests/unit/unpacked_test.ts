/** The cache of an executable that `deno compile` made, without one: the same rules as the launcher's. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cachePlaces, type Manifest, unpack } from "../../core/unpacked.ts";

const TEXTS: Readonly<Record<string, string>> = { "lib/library": "one", "bin/program": "itself" };

const manifest: Manifest = {
  id: "0123456789abcdef0123456789abcdef",
  files: [
    {
      path: "lib/library",
      mode: 0o500,
      sha256: createHash("sha256").update(TEXTS["lib/library"]!).digest("hex"),
    },
    { path: "bin/program", mode: 0o500, sha256: null },
  ],
};

const embedded = {
  manifest,
  read: (path: string) => new TextEncoder().encode(TEXTS[path]),
  bytesOf: (path: string) => TEXTS[path]!.length,
};

function withPlace(body: (place: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    body(`${folder}/deep/telebridge`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

Deno.test("unpacked: a cache is made once, for its user alone", () => {
  withPlace((place) => {
    const folder = unpack([place], embedded);
    assert.equal(folder, `${place}/${manifest.id}`);
    const { ino, mode } = Deno.statSync(`${folder}/lib/library`);
    assert.equal(mode! & 0o7777, 0o500);
    assert.equal(Deno.statSync(folder).mode! & 0o7777, 0o700);
    unpack([place], embedded);
    assert.equal(Deno.statSync(`${folder}/lib/library`).ino, ino);
    assert.deepEqual(namesIn(place), [manifest.id]);
  });
});

Deno.test("unpacked: what was touched is made anew", () => {
  const touches: ((folder: string) => void)[] = [
    (folder) => Deno.removeSync(`${folder}/bin/program`),
    (folder) => Deno.chmodSync(folder, 0o770),
    (folder) => {
      Deno.chmodSync(`${folder}/lib/library`, 0o700);
      Deno.writeTextFileSync(`${folder}/lib/library`, "bad");
      Deno.chmodSync(`${folder}/lib/library`, 0o500);
    },
    (folder) => {
      Deno.removeSync(`${folder}/lib/library`);
      Deno.symlinkSync("/etc/passwd", `${folder}/lib/library`);
    },
  ];
  withPlace((place) => {
    for (const touch of touches) {
      const folder = unpack([place], embedded);
      touch(folder);
      unpack([place], embedded);
      for (const [path, text] of Object.entries(TEXTS)) {
        assert(Deno.lstatSync(`${folder}/${path}`).isFile);
        assert.equal(Deno.readTextFileSync(`${folder}/${path}`), text);
      }
      assert.deepEqual(namesIn(place), [manifest.id]);
    }
  });
});

Deno.test("unpacked: caches of other versions go when nobody used them for a day, nor holds them", () => {
  withPlace((place) => {
    const folder = unpack([place], embedded);
    const name = (digit: number) => String(digit).padStart(32, "0");
    const [unused, held, recent] = [1, 2, 3].map((digit) => `${place}/${name(digit)}`);
    for (const path of [unused!, held!, recent!, `${place}/.made-killed`, `${place}/other`]) {
      Deno.mkdirSync(path);
      const hours = path === recent ? 23 : 25;
      Deno.utimeSync(path, new Date(), new Date(Date.now() - hours * 3_600_000));
    }
    using holder = Deno.openSync(held!);
    holder.lockSync(false);
    unpack([place], embedded);
    const left = [held!, recent!, `${place}/other`, folder].map((path) => path.replace(/.*\//, ""));
    assert.deepEqual(namesIn(place).toSorted(), left.toSorted());
  });
});

Deno.test("unpacked: a place that is not safe is passed over; without any, all are named", () => {
  withPlace((place) => {
    const [open, link] = [`${place}/open`, `${place}/link`];
    Deno.mkdirSync(open, { recursive: true });
    Deno.chmodSync(open, 0o777);
    Deno.symlinkSync(open, link);
    assert.equal(unpack([open, link, `${place}/ours`], embedded), `${place}/ours/${manifest.id}`);
    assert.deepEqual(namesIn(open), []);
    assert.throws(
      () => unpack([open, link, "/proc/none"], embedded),
      /TELEBRIDGE_CACHE_DIR=[^]*open: others may write[^]*link: it is a link[^]*\/proc\/none: /,
    );
  });
});

Deno.test("unpacked: a file that came damaged leaves nothing", () => {
  withPlace((place) => {
    const damaged = { ...embedded, read: () => new TextEncoder().encode("onf") };
    assert.throws(
      () => unpack([place], damaged),
      /damaged or not whole: lib\/library.*copy it again/,
    );
    assert.deepEqual(namesIn(place), []);
  });
});

Deno.test("unpacked: places are the launcher's", () => {
  assert.deepEqual(cachePlaces({ TELEBRIDGE_CACHE_DIR: "/chosen", HOME: "/home/u" }), ["/chosen"]);
  const places = cachePlaces({ XDG_CACHE_HOME: "relative", HOME: "/home/u" });
  assert.deepEqual(places.slice(0, 2), [
    "/home/u/.cache/telebridge",
    `/var/tmp/telebridge-cache-${Deno.uid()}`,
  ]);
});
