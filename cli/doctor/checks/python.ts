/** The Python client, in the Python that a shell here would start. */

import { VERSION } from "../../../core/version.ts";
import type { Check } from "../check.ts";
import { runChild } from "../../../core/child.ts";

/** The client is really imported; gRPC is only looked for, since it takes its time. */
const SCRIPT = `
import importlib.util, json, platform, sys
found = {"python": platform.python_version(), "executable": sys.executable, "client": None, "error": None}
try:
    import telebridge
    found["client"] = telebridge.__version__
except BaseException as error:
    found["error"] = f"{type(error).__name__}: {error}"
found["durable"] = all(importlib.util.find_spec(name) for name in ("grpc", "google"))
print(json.dumps(found))
`;
const name = "python";

export const python: Check = {
  name,
  async run({ environment }, signal) {
    const { VIRTUAL_ENV } = environment;
    const interpreter = VIRTUAL_ENV === undefined ? "python3" : `${VIRTUAL_ENV}/bin/python3`;
    // Elsewhere, for Python would import a folder of that name from where we are.
    const ended = await runChild([interpreter, "-c", SCRIPT], signal, { cwd: "/" });
    if (ended === null) return [{ name, level: "note", text: "not installed" }];
    if (ended.code !== 0) {
      const why = ended.stderr.trim().split("\n").at(-1);
      return [{ name, level: "note", text: `${interpreter} does not run: ${why}` }];
    }
    const found = JSON.parse(ended.stdout);
    const at = `Python ${found.python}, ${found.executable}`;
    if (found.client === null) {
      const isMissing = /No module named 'telebridge'/.test(found.error);
      const why = isMissing ? "no telebridge in it" : `telebridge: ${found.error}`;
      const level = isMissing ? "note" : "warn";
      return [{
        name,
        level,
        text: `${why}; ${at}`,
        facts: found,
        ...(isMissing ? {} : {
          change: {
            why: "the Python client is installed, and cannot be imported",
            command: `${found.executable} -c 'import telebridge'`,
          },
        }),
      }];
    }
    if (found.client !== VERSION) {
      return [{
        name,
        level: "warn",
        text: `telebridge ${found.client}, this is ${VERSION}; ${at}`,
        facts: found,
        change: {
          why: `the Python client is of version ${found.client}, the server of ${VERSION}`,
          command: `${found.executable} -m pip install --upgrade telebridge-${VERSION}-*.whl`,
        },
      }];
    }
    const text = `telebridge ${found.client}${
      found.durable ? "" : ", without grpcio: pictures only"
    }; ${at}`;
    return [{ name, level: "ok", text, facts: found }];
  },
};
