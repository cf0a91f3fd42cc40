/**
 * Holds the shape of the project: who may import whom (docs/architecture.md, "Layers"), what stands
 * at the top, what the C library exports, and that no file names a machine.
 */
import assert from "node:assert/strict";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

interface Layer {
  /** Other layers that it may import; its own folder always. */
  readonly layers: readonly string[];
  /** npm packages; `node:` for the runtime's own modules; `deno.json` for the version there. */
  readonly packages: readonly string[];
}

const NO_HTTP = ["node:http", "node:https", "node:http2"];

/** A new dependency is a row here, so that nobody adds one in passing. */
const layers: Readonly<Record<string, Layer>> = {
  // Browsers read it too: of the runtime only what gRPC's messages are held in (grpc_definition.ts).
  proto: {
    layers: [],
    packages: ["@bufbuild/protobuf", "node:buffer", "node:http2", "node:timers"],
  },
  ffi: { layers: ["proto"], packages: ["node:"] },
  core: {
    layers: ["ffi", "proto"],
    packages: [
      "node:",
      "@logtape/logtape",
      "@peculiar/x509",
      "deno.json",
      "prom-client",
      "reflect-metadata",
      "smol-toml",
      "valibot",
    ],
  },
  routes: {
    layers: ["core", "ffi", "proto"],
    packages: [
      "node:",
      "@logtape/logtape",
      "hono",
      "preact",
      "preact-render-to-string",
      "valibot",
      "ws",
    ],
  },
  ingest: {
    layers: ["core", "ffi", "proto"],
    packages: ["node:", "@bufbuild/protobuf", "@grpc/grpc-js", "@logtape/logtape"],
  },
  clients: {
    layers: ["proto"],
    packages: ["node:", "@bufbuild/protobuf", "@grpc/grpc-js"],
  },
  cli: {
    layers: ["routes", "ingest", "clients", "core", "ffi", "proto"],
    packages: [
      "node:",
      "@bufbuild/protobuf",
      "@grpc/grpc-js",
      "@logtape/logtape",
      "@msgpack/msgpack",
      "cli-progress",
      "commander",
    ],
  },
  viewer: { layers: ["proto"], packages: ["twgl.js"] },
  islands: { layers: ["viewer", "proto"], packages: ["preact", "@preact/signals", "uplot"] },
};

const TOP_LEVEL_REQUIRED = [
  "Makefile",
  "deno.json",
  "ffi",
  "islands",
  "main.ts",
  "native",
  "proto",
  "routes",
  "tests",
];
const TOP_LEVEL_ALLOWED = [
  ...TOP_LEVEL_REQUIRED,
  "LICENSE",
  "README.md",
  "bench",
  "cli",
  "clients",
  "core",
  "deno.lock",
  "docs",
  "examples",
  "ingest",
  "tools",
  "viewer",
];

function output(program: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args, cwd: root }).outputSync();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert(success, `${program} ${args.join(" ")}: ${decode(stderr)}`);
  return decode(stdout);
}

/** Paths of all files of the project, without what is built or installed. */
function projectFiles(): string[] {
  const listed = output(
    "git",
    ...["-c", "safe.directory=*"], // a checkout may belong to another user than the one who tests
    ...["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
  );
  const exists = (path: string) => {
    try {
      return Deno.lstatSync(root + path).isFile;
    } catch {
      return false; // deleted, and not yet committed so
    }
  };
  return listed.split("\0").filter((path) => path !== "" && exists(path));
}

interface Import {
  readonly from: string;
  /** A path in the project, `node:fs`, or a package's name without its version. */
  readonly to: string;
}

interface ModuleGraph {
  modules: {
    specifier: string;
    error?: string;
    dependencies?: {
      specifier: string;
      code?: { specifier?: string; error?: string };
      type?: { specifier?: string; error?: string };
    }[];
  }[];
}

/** All imports of these modules, types and dynamic ones too, as Deno's own parser sees them. */
function importsOf(paths: readonly string[], folder = root): Import[] {
  // One entry module that imports them all: one run of the parser instead of hundreds.
  const base = pathToFileURL(folder).href;
  const entry = Deno.makeTempFileSync({ suffix: ".ts" });
  Deno.writeTextFileSync(
    entry,
    paths.map((path) => `import "${base}${path}";\n`).join(""),
  );
  const graph: ModuleGraph = JSON.parse(
    output(Deno.execPath(), "info", "--json", "--frozen", "--config", "deno.json", entry),
  );
  Deno.removeSync(entry);
  const local = (specifier: string) => specifier.replace(base, "");
  return graph.modules.flatMap(({ specifier, error, dependencies = [] }) => {
    assert.equal(error, undefined, `${local(specifier)}: ${error}`);
    if (!paths.includes(local(specifier))) return [];
    return dependencies.map(({ specifier: written, code, type }) => {
      const target = code?.specifier ?? type?.specifier;
      assert(target, `${local(specifier)} imports ${written}: ${code?.error ?? type?.error}`);
      const name = local(target).replace(/^npm:\/?(@[^/]+\/[^@/]+|[^@/]+).*/, "$1");
      return { from: local(specifier), to: name };
    });
  });
}

/** Why this import breaks the layers, or undefined. */
function complaint({ from, to }: Import): string | undefined {
  const folderOf = (path: string) => path.split("/")[0]!;
  const layerName = folderOf(from);
  const layer = layers[layerName]!;
  const refused = `${from} imports ${to}`;
  if (layerName === "core" && NO_HTTP.includes(to)) return `${refused}: HTTP belongs to routes/`;
  if (layer.packages.includes(to) || layerName === folderOf(to)) return undefined;
  if (to.startsWith("node:")) return layer.packages.includes("node:") ? undefined : refused;
  return layer.layers.includes(folderOf(to)) ? undefined : refused;
}

Deno.test("layers: every module imports only from its own layer and those below it", () => {
  const modules = projectFiles().filter((path) =>
    /\.tsx?$/.test(path) && path.split("/")[0]! in layers
  );
  for (const layer of Object.keys(layers)) {
    assert(modules.some((path) => path.startsWith(`${layer}/`)), `${layer}/ holds no module`);
  }
  assert.deepEqual(importsOf(modules).map(complaint).filter((text) => text !== undefined), []);
});

Deno.test("layers: main.ts imports the command line alone", () => {
  const foreign = importsOf(["main.ts"]).filter(({ to }) => !to.startsWith("cli/"));
  assert.deepEqual(foreign, []);
});

Deno.test("layers: the check itself sees a forbidden import, also of a type", () => {
  const allowed = complaint({ from: "viewer/worker.ts", to: "proto/wire.ts" });
  assert.equal(allowed, undefined);
  for (
    const [from, to] of [
      ["viewer/worker.ts", "core/tokens.ts"],
      ["islands/run.tsx", "node:fs"],
      ["proto/wire.ts", "valibot"],
      ["core/runs.ts", "node:http"],
      ["ffi/library.ts", "tests/harness/serve.ts"],
    ]
  ) {
    assert(complaint({ from: from!, to: to! }), `${from} may import ${to}`);
  }
  const folder = `${Deno.makeTempDirSync()}/`;
  Deno.mkdirSync(`${folder}ffi`);
  Deno.mkdirSync(`${folder}proto`);
  Deno.writeTextFileSync(`${folder}ffi/library.ts`, "export type Library = 1;\n");
  Deno.writeTextFileSync(
    `${folder}proto/wire.ts`,
    `// import "valibot"\nimport type { Library } from "../ffi/library.ts";\nawait import("preact");\n`,
  );
  const seen = importsOf(["proto/wire.ts"], folder).map(({ to }) => to);
  Deno.removeSync(folder, { recursive: true });
  assert.deepEqual(seen.toSorted(), ["ffi/library.ts", "preact"]);
});

Deno.test("layout: the folders at the top are those that the architecture names", () => {
  const top = [...new Set(projectFiles().map((path) => path.split("/")[0]!))].toSorted();
  assert.deepEqual(TOP_LEVEL_REQUIRED.filter((name) => !top.includes(name)), [], "missing");
  const visible = top.filter((name) => !name.startsWith("."));
  assert.deepEqual(visible.filter((name) => !TOP_LEVEL_ALLOWED.includes(name)), [], "unexpected");
});

Deno.test("layout: the C library exports what the header declares and the map lists", () => {
  const withoutComments = (path: string) =>
    Deno.readTextFileSync(root + path).replaceAll(/\/\*[^]*?\*\/|#[^\n]*|\/\/[^\n]*/g, "");
  const names = (text: string, pattern: RegExp) =>
    [...new Set([...text.matchAll(pattern)].map(([, name]) => name!))].toSorted();

  const declared = names(
    withoutComments("native/include/telebridge.h"),
    /(?<!\(\*)\b(tele_\w+)\s*\(/g,
  );
  const listed = names(withoutComments("native/telebridge.map"), /(\w+)\s*;/g);
  const exported = names(
    output("nm", "--dynamic", "--defined-only", "native/build/libtelebridge.so"),
    / [B-Z] (\w+)/g,
  );
  assert(declared.length > 0);
  assert.deepEqual(listed, declared);
  assert.deepEqual(exported, declared);
});

Deno.test("layout: no file names a machine's folders or a package registry", () => {
  // Written so that this file does not name them either.
  const names =
    /\/(?:work|root)\/\w|regist[r]y\.npmjs|npmjs\.(?:org|com)|deb\.debia[n]\.org|pypi\.or[g]|pythonhoste[d]/;
  const found = projectFiles().flatMap((path) => {
    const bytes = Deno.readFileSync(root + path);
    if (bytes.subarray(0, 8192).includes(0)) return []; // a picture
    return new TextDecoder().decode(bytes).split("\n").flatMap((line, index) =>
      names.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : []
    );
  });
  assert.deepEqual(found, []);
});
